"""The addresses of this host: `ip -j addr show`."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_interface
from typing import Any, NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, load

COMMAND = ("ip", "-j", "addr", "show")


class Entry(NamedTuple):
    """One address. `phase`: usable, tentative (duplicate address detection asks around) or duplicate.

    `secondary`: the kernel removes it together with the first address of its network on this interface.
    """

    interface: str
    address: str
    prefix: int
    label: str | None
    phase: str
    secondary: bool = False


def promotes(host: Host, interface: str) -> bool:
    """Return whether the kernel keeps the secondary addresses when the first goes: promote_secondaries of ip-sysctl.rst."""
    return any(_flag(host, name) for name in ("all", interface))


def carries(entry: Entry, every: Iterable[Entry]) -> bool:
    """Return whether others would be removed with it: it is the first of its network on its interface, and not the only one."""
    others = [other for other in every if other.interface == entry.interface and other.secondary]
    return not entry.secondary and any(_network(other) == _network(entry) for other in others)


def _network(entry: Entry) -> object:
    return ip_interface(f"{entry.address}/{entry.prefix}").network


def _flag(host: Host, name: str) -> bool:
    try:
        return host.read(f"/proc/sys/net/ipv4/conf/{name}/promote_secondaries").strip() == "1"
    except OSError:  # the interface is gone, and its addresses with it
        return False


def read(host: Host) -> tuple[Entry, ...]:
    """Read all addresses. Raises ProbeError."""
    try:
        done = host.run(COMMAND, 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done.code or done.err.strip():  # "Dump was interrupted" comes with exit code 0
        raise ProbeError(f"`{' '.join(COMMAND)}` ended with {done.code}: {done.err.strip()}")
    return parse(done.out)


@lru_cache(maxsize=8)  # every service looks at all addresses, which seldom change
def parse(text: str) -> tuple[Entry, ...]:
    """Parse what ip(8) prints; a host without a single interface is no answer. Raises ProbeError."""
    try:
        links = [link for link in load(text) if link]  # with a filter ip prints {} for what does not fit
        entries = tuple(_entry(link, info) for link in links for info in link.get("addr_info", []) if info.get("local"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeError(f"`{' '.join(COMMAND)}` printed something unexpected: {error}") from error
    if not any(link.get("ifname") for link in links):  # there is always lo
        raise ProbeError(f"`{' '.join(COMMAND)}` printed no interface")
    return entries


def _entry(link: dict[str, Any], info: dict[str, Any]) -> Entry:
    tentative = "tentative" if info.get("tentative") else "usable"
    return Entry(
        interface=link["ifname"],
        address=str(ip_address(info["local"])),
        prefix=int(info["prefixlen"]),
        label=info.get("label"),
        phase="duplicate" if info.get("dadfailed") else tentative,
        secondary=bool(info.get("secondary")),
    )
