"""The cluster.yaml that is made: text written by hand, so that it can carry comments, and where each value came from. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nvkeep.errors import clean
from nvkeep.legacy import naming
from nvkeep.legacy.pairing import Mounted
from nvkeep.legacy.sides import Side
from nvkeep.legacy.words import Mistake, Word
from nvkeep.model.frozen import frozen
from nvkeep.model.health import example, fitting
from nvkeep.model.spec import derived_router_id

PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*|\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?")
YAMLS_OWN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
HEAD = """\
# yaml-language-server: $schema=/usr/share/nvkeep/cluster.schema.json
# Made by `nvkeep import` from {conf} and {fstab}; from now on this file counts, the same on every host.
"""
TIMING = """\
# timing: {advert: 0.2}  # the default: seconds between two adverts; a dead host is noticed after about three. The original had
#                          2 (6 to 7 s). Larger only where the network of the heartbeats loses packets for that long.
"""
SERVICE = """\
    {health}  # new: asked through the floating address before a volume is taken from another host
    # failback: manual  # the default: it stays where it is when {host} returns; the original moved it back at once
"""
NO_PING = """\
    # ping: [ADDRESS]  # PINGHOSTS was empty. The default: the default gateway on the service's interface, if there is one; a
    #                    host that gets no answer is cut off and takes nothing
"""


@frozen
class Planned:
    """One protected service to write."""

    name: str
    side: Side
    hosts: tuple[Word, ...]
    mounted: list[Mounted]
    addresses: list[tuple[Word, Word]]
    labels: dict[int, str]
    options: list[list[Word]]


@dataclass
class Page:
    """Writes one file; `places` tells for each path in it which word of the original it was."""

    places: dict[str, Word] = field(default_factory=dict)

    def put(self, path: str, word: Word) -> str:
        """Write a word, and remember where it came from."""
        self.places[path] = word
        return quoted(word.text)

    def write(
        self, name: str, both: Sequence[Side], services: Sequence[Planned], notes: Iterable[Mistake], files: tuple[str, str]
    ) -> str:
        """Write it all."""
        head = HEAD.format(conf=clean(files[0]), fstab=clean(files[1])) + "".join(_remarks(notes))
        hosts = "".join(self._host(side) for side in both)
        body = "\n".join(self._service(name, service, services) for service in services)
        return f"{head}cluster: {name}\n\nhosts: # names as in `hostname -s`\n{hosts}\n{TIMING}\nservices:\n{body}"

    def _host(self, side: Side) -> str:
        path = f"hosts.{clean(side.host.text)}"
        interface = self.put(f"{path}.heartbeats[0].interface", side.scalars["STATIC_INTERFACE"])
        address = self.put(f"{path}.heartbeats[0].address", side.scalars["STATIC_IPADDR"])
        return f"  {self.put(path, side.host)}: {{heartbeats: [{{interface: {interface}, address: {address}}}]}}\n"

    def _service(self, cluster: str, service: Planned, services: Sequence[Planned]) -> str:
        path, side = f"services.{service.name}", service.side
        self.places[path] = side.key("NVMESHVOLS")
        units = tuple(naming.unit(word) for word in side.lists["SERVICES"])
        return "".join((
            f"  {service.name}: # what {side.suffix} was: it prefers {clean(side.host.text)}\n",
            f"    hosts: {self._row(f'{path}.hosts', service.hosts)} # preferred first\n",
            *self._volumes(path, service),
            *self._mounts(path, service),
            *self._addresses(path, service),
            f"    units: {self._row(f'{path}.units', units)} # in this order; not enabled at boot\n" if units else "",
            self._ping(path, side),
            SERVICE.format(host=clean(side.host.text), health=_health([unit.text for unit in units])),
            *_router_id(cluster, service, services),
        ))  # fmt: skip

    def _row(self, path: str, words: Sequence[Word]) -> str:
        return f"[{', '.join(self.put(f'{path}[{index}]', word) for index, word in enumerate(words))}]"

    def _volumes(self, path: str, service: Planned) -> Iterator[str]:
        yield "    volumes:\n" if service.side.lists["NVMESHVOLS"] else ""
        for index, word in enumerate(service.side.lists["NVMESHVOLS"]):
            yield f"      - {{name: {self.put(f'{path}.volumes[{index}].name', word)}}}\n"

    def _mounts(self, path: str, service: Planned) -> Iterator[str]:
        yield "    mounts:\n" if service.mounted else ""
        for index, mount in enumerate(service.mounted):
            here, entry = f"{path}.mounts[{index}]", mount.entry
            point = self.put(f"{here}.path", mount.point._replace(text=entry.path.text))
            kind = self.put(f"{here}.fstype", entry.fstype)
            options = f", options: {self._row(f'{here}.options', service.options[index])}" if service.options[index] else ""
            yield f"      - {{volume: {quoted(mount.volume)}, path: {point}, fstype: {kind}{options}}}\n"

    def _addresses(self, path: str, service: Planned) -> Iterator[str]:
        yield "    addresses:\n" if service.addresses else ""
        for index, (interface, address) in enumerate(service.addresses):
            here = f"{path}.addresses[{index}]"
            device = self.put(f"{here}.interface", interface._replace(text=interface.text.partition(":")[0]))
            label = f", label: {quoted(service.labels[index])}" if index in service.labels else ""
            yield f"      - {{address: {self.put(f'{here}.address', address)}, interface: {device}{label}}}\n"

    def _ping(self, path: str, side: Side) -> str:
        pings = side.lists["PINGHOSTS"]
        return f"    ping: {self._row(f'{path}.ping', pings)} # one answer is enough\n" if pings else NO_PING


def quoted(text: str) -> str:
    """Write a word as YAML: in quotes where it could be read as something else."""
    if PLAIN.fullmatch(text) and text.lower() not in YAMLS_OWN:
        return text
    return '"{}"'.format(clean(text.replace("\\", "\\\\").replace('"', '\\"')))


def _remarks(notes: Iterable[Mistake]) -> Iterator[str]:
    lines = [f"#   {clean(f'{note.at.file}:{note.at.line}: {note.text}')}\n" for note in notes]
    if lines:
        yield "# What could not be carried over, or is worth a look:\n"
        yield from lines


def _health(units: Sequence[str]) -> str:
    """Write the check that fits what runs; where nothing is known to fit, what can be written."""
    return example(units) if fitting(units) else "# health: {tcp: PORT, expect: TEXT}"


def _router_id(cluster: str, service: Planned, services: Sequence[Planned]) -> Iterator[str]:
    """Write a virtual router id only where two services would derive the same."""
    earlier = [derived_router_id(cluster, other.name) for other in services[: services.index(service)]]
    if derived_router_id(cluster, service.name) in earlier:
        yield f"    router_id: {earlier[0] % 255 + 1} # the one derived from the name is that of another service\n"
