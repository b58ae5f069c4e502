"""What a standby knows of the addresses of one service: who answered last, and what it has asked in vain since. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field

from nvkeep.core.liveness import Unanswered
from nvkeep.model.spec import Timing

SHORTEST_S, LONGEST_S = 0.02, 1.0  # for an answer to come
PROBES_A_WINDOW = 5.8  # in doubt: the third in vain ends just after the time for which an address has to be silent
CALM = PROBES_A_WINDOW / 2  # times as long between two questions while it answers: half of that time
REST_S = 5.0  # between two questions while another service of the same host answers
SUSPECT_S = 0.02  # without an answer after which all services of a host are asked about: one comes within milliseconds
FORGET_S = 10.0  # without an answer after which it is asked about at rest


@dataclass
class Subject:
    """The addresses of a service. Times are seconds since boot; `asked`: the question under way, 0 = none.

    `every`: of one question in doubt. `host`: who answered last. `here`: this host has the service, so nobody is asked.
    """

    service: str
    addresses: tuple[str, ...]
    every: float
    here: bool = False
    host: str = ""
    since: float = 0.0
    until: float = 0.0
    failed: int = 0
    asked: float = 0.0
    last: float = field(default=float("-inf"))

    def forget(self) -> None:
        """Know nothing any more: nothing was heard for a while, or could be."""
        self.host, self.since, self.until, self.failed, self.asked = "", 0.0, 0.0, 0, 0.0

    def ask(self, now: float) -> None:
        """Begin a question; what was not asked about for a while has not been silent for longer than between two of them."""
        self.asked = self.last = now
        if not self.failed:
            self.since = max(self.since, now - CALM * self.every) if self.since else now

    def answer(self, now: float, host: str) -> None:
        """End it: somebody has the addresses."""
        self.host, self.since, self.until, self.failed, self.asked = host, now, now, 0, 0.0

    def late(self, now: float) -> bool:
        """Return whether the question under way has had its time; it was in vain then."""
        return bool(self.asked) and now >= self.asked + self.every

    def fail(self, now: float) -> None:
        """End it: nobody has answered."""
        self.failed, self.until, self.asked = self.failed + 1, now, 0.0
        self.host = self.host if now - self.since < FORGET_S else ""

    def suspect(self, now: float) -> bool:
        """Return whether its host should have answered by now."""
        return bool(self.failed) or (bool(self.asked) and now >= self.asked + SUSPECT_S)

    def unanswered(self) -> Unanswered | None:
        """Say for how long it has been silent; None where somebody answers."""
        return Unanswered(self.since, self.until, self.failed) if self.failed and not self.here else None


def every(timing: Timing, position: int) -> float:
    """Give the seconds of one question, for the host at a place of the service's list."""
    return min(LONGEST_S, max(SHORTEST_S, timing.liveness_window(position) / PROBES_A_WINDOW))


def pauses(subjects: Collection[Subject], now: float) -> dict[str, float]:
    """Give the seconds between two questions about each service, shorter for all of a host that should have answered.

    While a host answers for one of its services, it is there, and what else it serves need not be asked about so often.
    """
    away = [subject for subject in subjects if not subject.here]
    suspects = {subject.host for subject in away if subject.suspect(now)} - {""}
    first = {subject.host: subject.service for subject in reversed(away)}
    return {subject.service: _pause(subject, suspects, first=first[subject.host] == subject.service) for subject in away}


def _pause(subject: Subject, suspects: Collection[str], *, first: bool) -> float:
    if not subject.host:
        return subject.every if subject.until - subject.since < FORGET_S else REST_S
    if subject.host in suspects:
        return subject.every
    return CALM * subject.every if first else REST_S
