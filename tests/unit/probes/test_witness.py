"""Who is asked for a witness, and what counts as an answer; the questions themselves are sent on the lab."""

import threading
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, cast

import pytest

from nvkeep.host import Host
from nvkeep.host.icmp import _reply, _request, checksum
from nvkeep.model.spec import Address, Service
from nvkeep.probes.witness import Gateway, answers, gateways

ROUTES_4 = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
ib0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
ib0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
NONE_6 = "0" * 32
ROUTES_6 = f"""\
fd000000000000000000000000000000 40 {NONE_6} 00 {NONE_6} 00000100 00000001 00000000 00000001     ib0
{NONE_6} 00 {NONE_6} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     ib0
{NONE_6} 00 {NONE_6} 00 {NONE_6} ffffffff 00000001 00000000 00200200       lo
"""


@dataclass
class Network:
    """A host that can only be asked about its routes, and hears who is listed."""

    alive: frozenset[str] = frozenset()
    unreachable: bool = False
    routes: dict[str, str] = field(default_factory=lambda: {"/proc/net/route": ROUTES_4, "/proc/net/ipv6_route": ROUTES_6})
    asked: list[str] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def read(self, path: str) -> str:
        if path not in self.routes:
            raise FileNotFoundError(path)
        return self.routes[path]

    def pings(self, address: str, timeout: float) -> bool:
        assert timeout < 1
        return self.answers("", address, timeout)

    def answers(self, interface: str, address: str, timeout: float) -> bool:
        assert timeout < 1
        self.asked.append(f"{interface} {address}".strip())
        self.threads.add(threading.get_ident())
        if self.unreachable:
            raise OSError(101, "Network is unreachable")
        return address in self.alive


def service(**more: Any) -> Service:  # noqa: ANN401 - YAML
    address = Address(address=ip_interface("192.168.0.9/24"), interface="ib0")
    return Service(hosts=("srv-a", "srv-b"), volumes=(), addresses=(address,), **more)


def test_by_default_the_gateways_on_the_interfaces_of_the_service_are_asked() -> None:
    network = Network(alive=frozenset({"192.168.0.1"}))
    assert gateways(cast("Host", network), {"ib0"}) == [Gateway("ib0", "192.168.0.1"), Gateway("ib0", "fe80::1")]
    assert answers(cast("Host", network), service())
    assert "ib0 192.168.0.1" in network.asked


def test_a_gateway_that_does_not_answer_is_asked_twice() -> None:
    network = Network()
    assert not answers(cast("Host", network), service())
    assert sorted(network.asked) == ["ib0 192.168.0.1", "ib0 192.168.0.1", "ib0 fe80::1", "ib0 fe80::1"]


def test_without_a_gateway_the_carrier_is_the_witness() -> None:
    assert answers(cast("Host", Network(routes={})), service())


def test_one_answer_of_those_listed_is_enough() -> None:
    network = Network(alive=frozenset({"10.0.0.254"}))
    ping = ("10.0.0.253", "10.0.0.254")
    assert answers(cast("Host", network), service(ping=ping))
    assert sorted(network.asked) == list(ping)


def test_one_witness_is_asked_without_a_thread_and_several_side_by_side() -> None:
    alone, several = Network(), Network()
    answers(cast("Host", alone), service(ping=("10.0.0.254",)))
    answers(cast("Host", several), service(ping=("10.0.0.253", "10.0.0.254")))
    assert alone.threads == {threading.get_ident()}
    assert several.asked
    assert threading.get_ident() not in several.threads


@pytest.mark.parametrize("ping", [("10.0.0.253",), None])
def test_what_cannot_be_asked_has_not_answered(ping: tuple[str, ...] | None) -> None:
    assert not answers(cast("Host", Network(unreachable=True)), service(ping=ping))


def test_ping_none_wants_no_witness() -> None:
    network = Network(unreachable=True)
    assert answers(cast("Host", network), service(ping="none"))
    assert network.asked == []


def test_an_echo_request_as_in_rfc_792() -> None:
    request = _request(8, b"\x12\x34\x56\x78")
    assert request[:2] == b"\x08\x00"
    assert checksum(request) == 0
    reply = b"\x45" + bytes(19) + b"\x00\x00\x00\x00" + b"\x12\x34\x56\x78"
    assert _reply(reply, 2) == b"\x12\x34\x56\x78"
    assert _reply(b"\x45" + bytes(19) + request, 2) == b""
