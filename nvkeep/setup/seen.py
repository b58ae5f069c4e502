"""What can be seen of the hosts, as defaults for the questions. Nothing here is decided: what cannot be seen has no default."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_interface
from typing import Any

from nvkeep.errors import NvkeepError
from nvkeep.host import Completed, Host
from nvkeep.host.base import NO_SUCH_PROGRAM
from nvkeep.host.ssh import Peer
from nvkeep.model.spec import DEFAULT_BACKEND
from nvkeep.probes import address
from nvkeep.probes.address import Entry
from nvkeep.reconcilers.backends import register
from nvkeep.reconcilers.backends.base import Backend


def addresses(host: Host, name: str) -> tuple[Entry, ...]:
    """List the addresses of this host or, by ssh, of another one, that may carry a heartbeat; none when nobody answers."""
    try:
        here = name == host.name
        entries = address.read(host) if here else address.parse(Peer(host, name).run(address.COMMAND).out)
    except NvkeepError:
        return ()
    return tuple(entry for entry in entries if _usable(entry))


def _usable(entry: Entry) -> bool:
    parsed = ip_address(entry.address)
    return not (parsed.is_loopback or parsed.is_link_local)


def network(entry: Entry) -> str:
    """Name the network of an address."""
    return str(ip_interface(f"{entry.address}/{entry.prefix}").network)


def beat(free: Iterable[Entry], near: str = "") -> Entry | None:
    """Choose an address for a heartbeat of those that carry none yet: the first, or the first in a network that is given."""
    return next((entry for entry in free if near in ("", network(entry))), None)


def shared(free: Sequence[Sequence[Entry]]) -> Entry | None:
    """Choose the first host's end of a network that every host has. docker0 has one address on all of them: it is none."""
    for entry in free[0]:
        ends = [beat(end, network(entry)) for end in free]
        if len({end.address for end in ends if end}) == len(free):
            return entry
    return None


def interface(entries: Iterable[Entry], floating: str) -> str:
    """Name the interface whose network has a floating address; empty when none has."""
    try:
        wanted = ip_interface(floating).ip
    except ValueError:
        return ""
    return next((entry.interface for entry in entries if wanted in ip_interface(f"{entry.address}/{entry.prefix}").network), "")


def backend(host: Host) -> str:
    """Name the backend whose tools are here."""
    for name, backend in _default_first():
        for tool in backend.tools if backend.betrayed else ():
            if _done(host, tool.version).code != NO_SUCH_PROGRAM:
                return name
    return DEFAULT_BACKEND


def _default_first() -> list[tuple[str, Backend[Any]]]:
    return sorted(register().items(), key=lambda item: (item[0] != DEFAULT_BACKEND, item[0]))


def fstype(host: Host, device: str) -> str:
    """Name the file system on a device that is here; empty when that cannot be seen."""
    return _done(host, ("blkid", "-o", "value", "-s", "TYPE", "--", device)).out.strip()


def _done(host: Host, argv: Sequence[str]) -> Completed:
    """Run a command; one that does not end is as good as none: a dead device must not take the answers with it."""
    try:
        return host.run(argv, 10.0)
    except NvkeepError:
        return Completed(tuple(argv), NO_SUCH_PROGRAM, "", "")
