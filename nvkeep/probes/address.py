"""The addresses of this host: `ip -j addr show`."""

import json
from ipaddress import ip_address
from typing import Any, NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host

COMMAND = ("ip", "-j", "addr", "show")


class Entry(NamedTuple):
    """One address. `phase`: usable, tentative (duplicate address detection asks around) or duplicate."""

    interface: str
    address: str
    prefix: int
    label: str | None
    phase: str


def read(host: Host) -> tuple[Entry, ...]:
    """Read all addresses. Raises ProbeError."""
    try:
        done = host.run(COMMAND, 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done.code:
        raise ProbeError(f"`{' '.join(COMMAND)}` ended with {done.code}: {done.err.strip()}")
    return parse(done.out)


def parse(text: str) -> tuple[Entry, ...]:
    """Parse what ip(8) prints. Raises ProbeError."""
    try:
        return tuple(_entry(link, info) for link in json.loads(text) for info in link.get("addr_info", []) if info.get("local"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeError(f"`{' '.join(COMMAND)}` printed something unexpected: {error}") from error


def _entry(link: dict[str, Any], info: dict[str, Any]) -> Entry:
    tentative = "tentative" if info.get("tentative") else "usable"
    return Entry(
        interface=link["ifname"],
        address=str(ip_address(info["local"])),
        prefix=int(info["prefixlen"]),
        label=info.get("label"),
        phase="duplicate" if info.get("dadfailed") else tentative,
    )
