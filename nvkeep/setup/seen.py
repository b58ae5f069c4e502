"""What can be seen of the hosts, as defaults for the questions. Nothing here is decided: what cannot be seen has no default."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_interface

from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.model.spec import DEFAULT_BACKEND
from nvkeep.peers import Peer
from nvkeep.probes import address
from nvkeep.probes.address import Entry
from nvkeep.reconcilers.backends import register

NO_SUCH_PROGRAM = 127
TELLING = ("nvmesh", "drbd")  # backends whose tools are nowhere but where they are used


def addresses(host: Host, name: str) -> tuple[Entry, ...]:
    """List the addresses of this host or, by ssh, of another one, that may carry a heartbeat; none when nobody answers."""
    try:
        here = name == host.name
        found = address.read(host) if here else address.parse(Peer(host, name).run(address.COMMAND).out)
    except NvkeepError:
        return ()
    return tuple(one for one in found if _usable(one))


def _usable(one: Entry) -> bool:
    parsed = ip_address(one.address)
    return not (parsed.is_loopback or parsed.is_link_local)


def network(one: Entry) -> str:
    """Name the network of an address."""
    return str(ip_interface(f"{one.address}/{one.prefix}").network)


def beat(found: Iterable[Entry], near: str, used: Iterable[str]) -> Entry | None:
    """Choose an address for a heartbeat: in a network that is given, else on the first interface that carries none yet."""
    fits = [one for one in found if (network(one) == near if near else one.interface not in used)]
    return fits[0] if fits else None


def interface(found: Iterable[Entry], floating: str) -> str:
    """Name the interface whose network has a floating address; empty when none has."""
    try:
        wanted = ip_interface(floating).ip
    except ValueError:
        return ""
    return next((one.interface for one in found if wanted in ip_interface(f"{one.address}/{one.prefix}").network), "")


def backend(host: Host) -> str:
    """Name the backend whose tools are here."""
    for name in TELLING:
        for tool in register()[name].tools:
            if host.run(tool.version, 10.0).code != NO_SUCH_PROGRAM:
                return name
    return DEFAULT_BACKEND


def fstype(host: Host, device: str) -> str:
    """Name the file system on a device that is here; empty when that cannot be seen."""
    return host.run(("blkid", "-o", "value", "-s", "TYPE", "--", device), 10.0).out.strip()
