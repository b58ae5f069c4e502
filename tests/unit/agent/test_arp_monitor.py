"""The watch over the addresses, on a network that is played: whom it asks how often, and when it knows of a silence."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, cast

import pytest

from nvkeep.agent import arp_monitor
from nvkeep.agent.arp_monitor import ArpMonitor
from nvkeep.config import parsing
from nvkeep.core.due import Due
from nvkeep.host import Host
from nvkeep.model.spec import Cluster

SERVICES = 20
ROUND_TRIP = 0.001
HEAD = """
cluster: test
timing: {advert: 0.1}
hosts:
  a: {heartbeats: [{interface: hb0, address: 10.0.0.1}]}
  b: {heartbeats: [{interface: hb0, address: 10.0.0.2}]}
services:
"""
TEXT = """
  s{n}:
    hosts: [a, b]
    router_id: {n}
    volumes: [{{name: vol{n}}}]
    addresses: [{{address: 10.9.0.{n}/24, interface: sv0}}]
"""


@dataclass
class Network:
    """What the monitor of host b sees. `alive`: the address that are answered for; `then`: what happens when."""

    alive: set[str]
    then: dict[float, Callable[["Network"], None]] = field(default_factory=dict)
    name: str = "b"
    clock: float = 100.0
    asked: list[tuple[float, str]] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    ran: list[Sequence[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files |= {"/sys/class/net/sv0/carrier": "1\n", "/sys/class/net/sv0/carrier_changes": "2\n"}

    def now(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def boot_id(self) -> str:
        return "12345678-1234-1234-1234-123456789abc/1"

    def read(self, path: str, most: int = 0) -> str:  # noqa: ARG002 - as of a Host
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[path]

    def run(self, argv: Sequence[str], timeout: float = 0.0) -> None:  # noqa: ARG002 - as of a Host
        self.ran.append(tuple(argv))

    def listen(self, _listeners: object, timeout: float) -> dict[str, str]:
        """Let time pass until somebody answers, or something happens."""
        for at in sorted(self.then):
            if at <= self.clock:
                self.then.pop(at)(self)
        heard = dict.fromkeys(self.waiting & self.alive, "aa:aa")
        self.clock += ROUND_TRIP if heard else timeout + 0.0005
        self.waiting.clear()
        return heard


def watch(monkeypatch: pytest.MonkeyPatch, network: Network, seconds: float, services: int = SERVICES) -> ArpMonitor:
    """Let the monitor watch for so long, and leave it as it is then."""
    cluster = parsing.parse(HEAD + "".join(TEXT.format(n=n) for n in range(1, services + 1)))
    end = network.clock + seconds

    def current() -> Cluster | None:
        return cluster if network.clock < end else None

    class Listener:
        """As much of a Listener as is asked."""

        def __init__(self, interface: str, *addresses: str) -> None:
            self.interface, self.addresses = interface, dict(enumerate(addresses))

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def ask(self, address: str) -> None:
            network.asked.append((network.clock, address))
            network.waiting.add(address)

    monkeypatch.setattr(arp_monitor, "Listener", Listener)
    monkeypatch.setattr(arp_monitor, "listen", network.listen)
    monitor = ArpMonitor(cast("Host", network), current)
    monitor._watch(cluster)
    return monitor


def every_one() -> set[str]:
    return {f"10.9.0.{n}" for n in range(1, SERVICES + 1)}


def test_while_a_host_answers_for_one_service_the_others_are_asked_about_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(every_one())
    monitor = watch(monkeypatch, network, 30.0)
    often = [at for at, address in network.asked if address == "10.9.0.1"]
    assert 170 < len(often) < 190  # half of a window of 0.36 s apart
    assert len(network.asked) - len(often) <= 7 * (SERVICES - 1)
    assert all(monitor.unanswered(f"s{n}") is None for n in range(1, SERVICES + 1))


def test_when_a_host_falls_silent_all_its_services_are_known_to_within_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(every_one(), {110.03: lambda network: network.alive.clear()})
    monitor = watch(monkeypatch, network, 10.03 + 0.36)
    for n in range(1, SERVICES + 1):
        known = monitor.unanswered(f"s{n}")
        assert known
        assert known.probes >= 3
        assert 109.86 < known.since <= 110.04
        assert known.until - known.since >= (3 + (256 - 190) / 256) * 0.1


def test_a_service_that_stops_alone_is_silent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(every_one(), {110.0: lambda network: network.alive.discard("10.9.0.7")})
    monitor = watch(monkeypatch, network, 18.0)
    assert {n for n in range(1, SERVICES + 1) if monitor.unanswered(f"s{n}")} == {7}
    known = monitor.unanswered("s7")
    assert known
    assert known.until - known.since > 1.0  # although its host answers for others


def test_a_link_that_goes_carries_no_question_and_counts_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unplug(network: Network) -> None:
        network.alive.clear()
        network.files["/sys/class/net/sv0/carrier"] = "0\n"

    network = Network(every_one(), {110.0: unplug})
    with suppress(OSError):  # or it returns, when it looks at the links anyway
        watch(monkeypatch, network, 20.0)
    assert network.clock < 110.2


def test_without_a_link_nothing_is_asked_and_nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(set())
    network.files["/sys/class/net/sv0/carrier"] = "0\n"
    monitor = watch(monkeypatch, network, 5.0)
    assert not network.asked
    assert monitor.unanswered("s1") is None


def test_a_machine_that_was_paused_has_heard_nothing_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    def pause(network: Network) -> None:
        network.clock += 30.0

    network = Network(set(), {110.0: pause})
    monitor = watch(monkeypatch, network, 40.15, services=1)
    known = monitor.unanswered("s1")
    assert known is None or known.since > 139.0


def test_what_is_here_is_not_asked_for_and_defended(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network({"10.9.0.1"})
    network.files["/run/nvkeep/claim/s1"] = network.boot_id()
    monkeypatch.setattr(Due, "lost", lambda _: False)
    network.then[103.0] = lambda network: network.waiting.add("10.9.0.1")  # a host that wakes claims it
    watch(monkeypatch, network, 6.0, services=1)
    assert not network.asked
    assert network.ran == [("nvkeep", "announce", "sv0", "10.9.0.1")]
