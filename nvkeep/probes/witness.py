"""Whether anything but the hosts of the service answers on the network: without a witness a host is cut off, and takes nothing.

Asked are the addresses of `ping:`, else the default gateways on the interfaces of the service (/proc/net/route,
/proc/net/ipv6_route), else nobody: then the carrier alone is the witness. One answer is enough.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from nvkeep.errors import ProbeError
from nvkeep.host import Host, lines
from nvkeep.model.spec import Service

ANSWER_TIMEOUT_S = 0.3  # for one answer; within a site it comes in milliseconds
PING_ATTEMPTS = 2
NOWHERE_4, NOWHERE_6 = "00000000", "0" * 32
GATEWAY = 0x2  # RTF_GATEWAY
FIELDS_4, FIELDS_6 = 4, 10
LITTLE = sys.byteorder == "little"


class Gateway(NamedTuple):
    """A default gateway, and the interface that leads to it."""

    interface: str
    address: str


def answers(host: Host, service: Service) -> bool:
    """Return whether a witness answers."""
    if service.ping == "none":
        return True
    if service.ping:
        return any(_pinged(host, tuple(map(str, service.ping))) for _ in range(PING_ATTEMPTS))
    try:
        nearest = gateways(host, {address.interface for address in service.addresses})
    except ProbeError:  # whoever cannot be asked has not answered
        return False
    return not nearest or any(_heard(host, nearest) for _ in range(PING_ATTEMPTS))


def gateways(host: Host, interfaces: set[str]) -> list[Gateway]:
    """Name the default gateways on some interfaces. Raises ProbeError."""
    try:
        routes = (*_gateways_4(_lines(host, "/proc/net/route")), *_gateways_6(_lines(host, "/proc/net/ipv6_route")))
    except (ValueError, OSError) as error:
        raise ProbeError(f"cannot read the routes: {error}") from error
    return [gateway for gateway in routes if gateway.interface in interfaces]


def _lines(host: Host, path: str) -> list[list[str]]:
    try:
        return [line.split() for line in lines(host.read(path))]
    except FileNotFoundError:  # a kernel without IPv6
        return []


def _gateways_4(rows: list[list[str]]) -> Iterator[Gateway]:
    """Read /proc/net/route: numbers in the byte order of the machine."""
    for interface, destination, gateway, flags in (fields[:4] for fields in rows[1:] if len(fields) > FIELDS_4):
        if destination == NOWHERE_4 and int(flags, 16) & GATEWAY:
            yield Gateway(interface, socket.inet_ntoa(bytes.fromhex(gateway)[::-1] if LITTLE else bytes.fromhex(gateway)))


def _gateways_6(rows: list[list[str]]) -> Iterator[Gateway]:
    """Read /proc/net/ipv6_route: destination, its length, source, its length, gateway, metric, two counts, flags, interface."""
    for fields in rows:
        if len(fields) == FIELDS_6 and fields[0] == NOWHERE_6 and fields[1] == "00" and int(fields[8], 16) & GATEWAY:
            yield Gateway(fields[9], socket.inet_ntop(socket.AF_INET6, bytes.fromhex(fields[4])))


def _pinged(host: Host, addresses: tuple[str, ...]) -> bool:
    return _any([partial(host.pings, address, ANSWER_TIMEOUT_S) for address in addresses])


def _heard(host: Host, gateways: list[Gateway]) -> bool:
    """Ask a gateway by ARP or neighbour discovery: many answer no ping, and all answer that."""
    return _any([partial(host.answers, *gateway, ANSWER_TIMEOUT_S) for gateway in gateways])


def _any(probes: list[Callable[[], bool]]) -> bool:
    """Ask side by side. What cannot be asked has not answered: that is what being cut off looks like."""

    def ask(probe: Callable[[], bool]) -> bool:
        try:
            return probe()
        except PermissionError:
            return bool(os.geteuid())  # only root may ask: that others may not is no alarm
        except (OSError, ValueError):
            return False

    if len(probes) == 1:  # mostly: and a thread costs more than the question
        return ask(probes[0])
    with ThreadPoolExecutor(len(probes)) as pool:
        return any(pool.map(ask, probes))
