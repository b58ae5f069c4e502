"""The few questions that a cluster.yaml needs, in the order in which people think of them."""

import shlex
from dataclasses import MISSING, fields
from functools import partial
from typing import cast

from nvkeep.config import parsing, shape
from nvkeep.errors import NotHere
from nvkeep.host import Host
from nvkeep.model.health import PORTS, fitting
from nvkeep.model.spec import BACKENDS, VolumeSpec
from nvkeep.probes.address import Entry
from nvkeep.setup import seen
from nvkeep.setup.talk import NONE, Loc, Talk, drop, put
from nvkeep.setup.template import written

HELLO = """\
There is no {path} yet. Answer a few questions, and nvkeep writes it; an empty answer takes the value in [brackets].
Ctrl-C ends this at any time, and nothing is written."""


def interview(host: Host, path: str, talk: Talk | None = None) -> None:
    """Ask for everything, and write the file when that is wanted. Raises NotHere when it is not."""
    interview = Interview(host, talk or Talk())
    interview.talk.say(HELLO.format(path=path))
    interview.everything()
    text = written(interview.talk.document, path)
    parsing.parse(text, path)
    interview.talk.say(f"\n{text}")
    if interview.talk.ask(f"Write this to {path}?", "y").lower() not in ("y", "yes"):
        raise NotHere("nothing was written")
    host.write(path, text, durable=True)


class Interview:
    """One set of questions."""

    def __init__(self, host: Host, talk: Talk) -> None:
        self.host = host
        self.talk = talk
        self.hosts: list[str] = []
        self.service = ""

    def everything(self) -> None:
        """Ask all of them."""
        self.talk.fill(("cluster",), "Name of the cluster", "cluster")
        self._hosts()
        self._heartbeats()
        self._name_service()
        self._volume()
        self._mount()
        self._address()
        self._units()
        self._health()

    def _hosts(self) -> None:
        while True:
            others = self.talk.ask(f"The other hosts beside {self.host.name}, with spaces between them")
            self.hosts = list(dict.fromkeys([self.host.name, *others.replace(",", " ").split()]))
            self.talk.document["hosts"] = {name: {} for name in self.hosts}
            wrong = [text for name in self.hosts for text in self.talk.wrong(("hosts", name), below=False)]
            if len(self.hosts) == 1:
                wrong.append(f"has only {self.host.name}; write one or more other hosts")
            if not wrong:
                return
            self.talk.refuse(wrong)

    def _heartbeats(self) -> None:
        """Ask for one network after the other, on all hosts: the n-th heartbeats of all hosts are one network."""
        entries = {name: seen.addresses(self.host, name) for name in self.hosts}
        for name in self.hosts:
            if not entries[name]:
                self.talk.say(
                    f"  the addresses of {name} cannot be seen from here (ssh {name} true): nothing to propose for it"
                )
        number = 0
        while self._network(number, entries):
            number += 1

    def _network(self, number: int, entries: dict[str, tuple[Entry, ...]]) -> bool:
        """Ask for the ends of one heartbeat network; return whether there is one."""
        first, *others = self.hosts
        free = [self._free(name, entries[name]) for name in self.hosts]
        proposed = seen.shared(free) or (None if number else seen.beat(free[0]))
        if not self._end(first, number, entries[first], proposed):
            return self._left_out(number)
        chosen = self.talk.document["hosts"][first]["heartbeats"][number]["address"]
        near = next((seen.network(entry) for entry in entries[first] if entry.address == chosen), "")
        for name, its in zip(others, free[1:], strict=True):
            if not self._end(name, number, entries[name], seen.beat(its, near)):
                self.talk.say(f"  without {name} it does not reach all hosts, so it is left out")
                self._left_out(number)
                return self._network(number, entries)
        return True

    def _free(self, name: str, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Leave out the interfaces that carry a heartbeat already."""
        used = [beat["interface"] for beat in self.talk.document["hosts"][name].get("heartbeats", [])]
        return tuple(entry for entry in entries if entry.interface not in used)

    def _left_out(self, number: int) -> bool:
        """Forget a network on every host, and tell that there is none."""
        for name in self.hosts:
            del self.talk.document["hosts"][name]["heartbeats"][number:]
        return False

    def _end(self, name: str, number: int, entries: tuple[Entry, ...], proposed: Entry | None) -> bool:
        """Ask for one host's end of a network; return whether there is one: after the first network there need not be."""
        optional, begins = number > 0, name == self.hosts[0]
        loc: Loc = ("hosts", name, "heartbeats", number)
        default = proposed.interface if proposed else NONE if optional and begins else ""
        question = f"{'Another heartbeat network:' if optional and begins else 'Heartbeat'} interface on {name}"
        interface = self._part((*loc, "interface"), question, default, optional=optional)
        if interface is None:
            return False
        there = [proposed.address] if proposed and proposed.interface == interface else []
        there += [entry.address for entry in entries if entry.interface == interface]
        address = self._part((*loc, "address"), f"  its address on {name}", next(iter(there), ""), optional=optional)
        return address is not None

    def _part(self, loc: Loc, question: str, default: str, *, optional: bool) -> str | None:
        """Ask for interface or address; none: there is no such network."""
        asked = f"{question}, or none" if optional else question
        return cast("str | None", self.talk.fill(loc, asked, default, optional=optional))

    def _name_service(self) -> None:
        while True:
            self.service = self.talk.ask("Name of the first service to protect", "service")
            self.talk.document["services"] = {self.service: {"hosts": list(self.hosts)}}
            wrong = self.talk.wrong(("services", self.service), below=False)
            if not wrong:
                return
            self.talk.refuse(wrong)

    def _at(self, *loc: str | int) -> Loc:
        return ("services", self.service, *loc)

    def _volume(self) -> None:
        """Ask for the volume, and for what its backend needs; what does not fit together is asked for again."""
        at = self._at("volumes", 0)
        while True:
            drop(self.talk.document, self._at("volumes"))
            backend = self.talk.fill(
                (*at, "backend"), f"Backend of its volume ({', '.join(sorted(BACKENDS))})", seen.backend(self.host)
            )
            self.talk.fill((*at, "name"), "Name of the volume")
            for key in needed(backend):
                self.talk.fill((*at, key), f"  {key} of the volume")
            wrong = self.talk.wrong(at)
            if not wrong:
                return
            self.talk.refuse(wrong)

    def _mount(self) -> None:
        volume = self.talk.document["services"][self.service]["volumes"][0]
        put(self.talk.document, self._at("mounts", 0, "volume"), volume["name"])
        proposed = f"/srv/{self.service}"
        if self.talk.fill(self._at("mounts", 0, "path"), "Mount point, or none", proposed, optional=True) is None:
            drop(self.talk.document, self._at("mounts"))
            return
        here = seen.fstype(self.host, device(volume))
        self.talk.fill(self._at("mounts", 0, "fstype"), "  type of the file system", here or "xfs")

    def _address(self) -> None:
        at = self._at("addresses", 0)
        address = self.talk.fill((*at, "address"), "Floating address with its prefix, like 192.168.0.1/24")
        proposed = seen.interface(seen.addresses(self.host, self.host.name), str(address))
        self.talk.fill((*at, "interface"), "  the interface it belongs on", proposed)

    def _units(self) -> None:
        units = self.talk.fill(
            self._at("units"), "Units to run, with spaces between them, or none", NONE, str.split, optional=True
        )
        if units is None:
            drop(self.talk.document, self._at("units"))

    def _health(self) -> None:
        units = self.talk.document["services"][self.service].get("units", ())
        word = fitting(units)
        question = "How clients see that it is well: a TCP port, a command, or none"
        proposed = str(PORTS[word]) if word else NONE
        if self.talk.fill(self._at("health"), question, proposed, partial(health, word or "tcp"), optional=True) is None:
            drop(self.talk.document, self._at("health"))


def needed(backend: str) -> list[str]:
    """Name the keys that a backend cannot do without, beside the name of the volume."""
    spec = BACKENDS.get(backend)
    common = {field.name for field in fields(VolumeSpec)}
    return [field.name for field in (fields(spec) if spec else ()) if field.default is MISSING and field.name not in common]


def device(volume: dict[str, str]) -> str:
    """Name the block device of a volume that is written rightly."""
    return shape.volume(volume).device


def health(word: str, answer: str) -> dict[str, object]:
    """Read a port, asked in the protocol that fits the units, or else a command."""
    if answer.lstrip("-").isdigit():
        return {word: int(answer)}
    try:
        return {"command": shlex.split(answer)}
    except ValueError:
        return {"command": answer.split()}
