"""Who may use a volume: the reservation table of the simulated NVMesh management (nvmesh.md, 4.5). Pure, no I/O."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

NONE = "NONE"
SHARED_READ_ONLY = "SHARED_READ_ONLY"
SHARED_READ_WRITE = "SHARED_READ_WRITE"
EXCLUSIVE = "EXCLUSIVE_READ_WRITE"
MODES = (SHARED_READ_ONLY, SHARED_READ_WRITE, EXCLUSIVE)


class Answer(enum.Enum):
    """How a request for a volume was answered."""

    PLAIN = "plain"  # it was free
    AGAIN = "again"  # it was this host's already, or shared in the same mode
    PREEMPT = "preempt"  # it was taken from another host
    DENIED = "denied"  # 1718: only with preempt
    OUTDATED = "outdated"  # 1717: the request names another version than the present one
    RETRY = "retry"  # 1719: the table changed between the look and the update

    @property
    def granted(self) -> bool:
        """Whether the volume was given."""
        return self in (Answer.PLAIN, Answer.AGAIN, Answer.PREEMPT)


@dataclass(frozen=True, slots=True)
class Request:
    """What a host asks for; version 0 is "none named"."""

    host: str
    mode: str
    version: int = 0
    preempt: bool = False
    detach_others: bool = False


@dataclass(slots=True)
class Reservation:
    """The reservation of one volume; a fresh volume is at version 1, the first holder makes it 2."""

    mode: str = NONE
    version: int = 1
    reserved_by: str | None = None
    attached: set[str] = field(default_factory=set)

    def request(self, host: str, mode: str, *, preempt: bool) -> Answer:
        """Look and update as one: the old commands, which name the version the table has now."""
        asked = Request(host, mode, self.version, preempt)
        return self.update(asked, self.judge(asked), self.version)

    def judge(self, asked: Request) -> Answer:
        """Answer from the table as it is; changes nothing."""
        if self.mode == NONE:
            return Answer.PLAIN
        if self._fits(asked):
            return Answer.AGAIN
        if asked.version != self.version:
            return Answer.OUTDATED
        return Answer.PREEMPT if asked.preempt else Answer.DENIED

    def _fits(self, asked: Request) -> bool:
        return asked.mode == self.mode and (asked.mode != EXCLUSIVE or self.reserved_by == asked.host)

    def update(self, asked: Request, answer: Answer, seen: int) -> Answer:
        """Record what was judged when the table was at version `seen`; RETRY when it does not fit the table any more.

        The race of the real filter is kept: on a volume that was free, a second request in the same mode is recorded too
        and wins, and the first one ends preempted.
        """
        if not answer.granted:
            return answer
        if self.version != seen and not self._still_fits(asked, answer):
            return Answer.RETRY
        again = answer is Answer.AGAIN or (self._fits(asked) and self.mode != NONE)
        if not again:
            self.mode, self.reserved_by, self.version = asked.mode, asked.host, self.version + 1
        self.attached = {asked.host} if asked.detach_others and answer is Answer.PREEMPT else {*self.attached, asked.host}
        return answer

    def _still_fits(self, asked: Request, answer: Answer) -> bool:
        return self._fits(asked) or (answer is Answer.PLAIN and self.mode in (NONE, asked.mode))

    def leave(self, host: str) -> None:
        """Record a detach; the last host to leave frees the volume, which is again a new version."""
        if host in self.attached:
            self.attached.remove(host)
            if not self.attached:
                self.mode, self.reserved_by, self.version = NONE, None, self.version + 1
