"""What a standby has heard of the addresses: a machine that was paused has heard nothing meanwhile."""

import pytest

from nvkeep.agent import arp_monitor
from nvkeep.agent.arp_monitor import ArpMonitor
from tests.unit.played import Played


class Quiet:
    """An address that nobody answers for."""

    def ask(self) -> None:
        """Ask nobody."""


def test_silence_counts_from_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    host, answers = Played(), iter([False, True, False, False])
    monitor = ArpMonitor(host, "pg", lambda: None)  # type: ignore[arg-type]  # as much of a Host as is asked

    def listen(_listeners: object, _every: float) -> bool:
        heard = next(answers)
        sleep(host, 0.01 if heard else 0.1)
        return heard

    def sleep(host: Played, seconds: float) -> None:
        host.clock += seconds

    monkeypatch.setattr(arp_monitor, "listen", listen)
    monkeypatch.setattr(Played, "sleep", sleep, raising=False)
    began = host.clock
    for _ in range(4):
        monitor._ask([Quiet()], 0.1)  # type: ignore[list-item]  # as above
    assert monitor.unanswered == pytest.approx((began + 0.11, began + 0.4, 2))


@pytest.mark.parametrize(("takes", "probes"), [(0.1, 3), (0.3, 3), (30.0, None)])
def test_a_pause_is_no_silence_that_was_heard(monkeypatch: pytest.MonkeyPatch, takes: float, probes: int | None) -> None:
    host = Played()
    monitor = ArpMonitor(host, "pg", lambda: None)  # type: ignore[arg-type]  # as much of a Host as is asked

    def listen(_listeners: object, _every: float) -> bool:
        host.clock += takes
        return False

    monkeypatch.setattr(arp_monitor, "listen", listen)
    monkeypatch.setattr(Played, "sleep", lambda *_: None, raising=False)
    for _ in range(3):
        monitor._ask([Quiet()], 0.1)  # type: ignore[list-item]  # as above
    assert (monitor.unanswered.probes if monitor.unanswered else None) == probes
