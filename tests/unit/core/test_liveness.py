"""How the guard goes by a watch, and when it asks for itself."""

from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import cast

import pytest

from nvkeep.core.liveness import Unanswered, ask, known
from nvkeep.host import Host
from nvkeep.model.decision import Guard
from nvkeep.model.spec import Address, Service, Timing

TIMING = Timing(advert=0.2)
WINDOW = (3 + (256 - 190) / 256) * TIMING.advert  # what keepalived of the second host waits for an advert
SERVICE = Service(
    hosts=("srv-a", "srv-b"),
    volumes=(),
    addresses=(Address(address=ip_interface("192.168.0.9/24"), interface="ib0"),),
    health=None,
)


@dataclass
class Network:
    """A host with a clock, whose neighbour answers or does not; a watch that began to hear nothing at some time."""

    name = "srv-b"
    answering: bool = False
    clock: float = 100.0
    asked: list[float] = field(default_factory=list)
    silent_since: float | None = None
    stopped_at: float | None = None

    def now(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def answers(self, _interface: str, _address: str, timeout: float) -> bool:
        self.asked.append(self.clock)
        self.clock += 0.0 if self.answering else timeout
        return self.answering

    def watched(self) -> Unanswered | None:
        if self.silent_since is None:
            return None
        until = self.stopped_at or self.clock
        return Unanswered(self.silent_since, until, int((until - self.silent_since) / 0.09))


def guard(network: Network) -> Guard:
    return ask(cast("Host", network), SERVICE, TIMING, network.watched)


def test_a_watch_that_has_heard_nothing_for_long_enough_is_believed_at_once() -> None:
    network = Network(silent_since=99.0)
    assert guard(network) is Guard.SILENT
    assert (network.asked, network.clock) == ([], 100.0)


def test_a_silence_that_is_too_short_is_waited_for_and_not_asked_anew() -> None:
    network = Network(silent_since=99.9)
    assert guard(network) is Guard.SILENT
    assert network.asked == []
    assert network.clock - 99.9 == pytest.approx(WINDOW, abs=0.03)


@pytest.mark.parametrize("answering", [True, False])
def test_without_a_watch_or_with_one_that_has_heard_the_guard_asks(answering: bool) -> None:
    network = Network(answering=answering)
    assert guard(network) is (Guard.SERVED if answering else Guard.SILENT)
    assert len(network.asked) == (1 if answering else 3)


def test_a_watch_that_has_stopped_is_not_believed() -> None:
    network = Network(answering=True, silent_since=90.0, stopped_at=99.0)
    assert guard(network) is Guard.SERVED


def test_a_watch_that_stops_while_it_is_waited_for_is_not_believed() -> None:
    network = Network(answering=True, silent_since=99.8, stopped_at=99.9)
    assert guard(network) is Guard.SERVED
    assert network.asked


@pytest.mark.parametrize(("silent_for", "word"), [(WINDOW + 0.01, Guard.SILENT), (WINDOW - 0.01, Guard.UNASKED)])
def test_what_a_watch_knows_is_known_without_asking_or_waiting(silent_for: float, word: Guard) -> None:
    network = Network(answering=True, silent_since=100.0 - silent_for)
    assert known(cast("Host", network), SERVICE, TIMING, network.watched) is word
    assert (network.asked, network.clock) == ([], 100.0)


def test_a_watch_that_has_just_heard_an_answer_knows_nothing() -> None:
    network = Network(silent_since=100.0)
    assert known(cast("Host", network), SERVICE, TIMING, network.watched) is Guard.UNASKED
    assert known(cast("Host", network), SERVICE, TIMING, lambda: None) is Guard.UNASKED
