"""Who may use a volume: the reservation table of the simulated NVMesh management. Pure, no I/O."""

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
    DENIED = "denied"


@dataclass(slots=True)
class Reservation:
    """The reservation of one volume; a fresh volume is at version 1, the first holder makes it 2."""

    mode: str = NONE
    version: int = 1
    reserved_by: str | None = None
    attached: set[str] = field(default_factory=set)

    def request(self, host: str, mode: str, *, preempt: bool) -> Answer:
        """Answer a host that asks for the volume, and record what was granted."""
        answer = self._judge(host, mode, preempt=preempt)
        if answer in (Answer.PLAIN, Answer.PREEMPT):
            self.mode, self.reserved_by, self.version = mode, host, self.version + 1
        if answer is not Answer.DENIED:
            self.attached.add(host)
        return answer

    def _judge(self, host: str, mode: str, *, preempt: bool) -> Answer:
        if self.mode == NONE:
            return Answer.PLAIN
        if mode == self.mode and (mode != EXCLUSIVE or self.reserved_by == host):
            return Answer.AGAIN
        return Answer.PREEMPT if preempt else Answer.DENIED

    def leave(self, host: str) -> None:
        """Record a detach; the last host to leave frees the volume, which is again a new version."""
        if host in self.attached:
            self.attached.remove(host)
            if not self.attached:
                self.mode, self.reserved_by, self.version = NONE, None, self.version + 1
