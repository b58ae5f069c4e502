"""keepalived's word for this host, over all its heartbeats."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """MASTER: every instance says so. CANDIDATE: some do. NONE: no answer, or none that counts."""

    MASTER = "MASTER"
    CANDIDATE = "CANDIDATE"
    BACKUP = "BACKUP"
    FAULT = "FAULT"
    NONE = "NONE"


class Roles(NamedTuple):
    """What keepalived answered: a word an instance, and whose answer it is (boot id, pid, start time).

    `received`: how many adverts each instance has received, where keepalived counts them.
    """

    words: tuple[tuple[str, str], ...] = ()
    ident: str = ""
    why: str = ""
    received: tuple[tuple[str, int], ...] = ()

    def adverts(self, instances: Iterable[str]) -> int:
        """Add up how many adverts the instances of one service have received; 0 where that is not known."""
        known = dict(self.received)
        return sum(known.get(name, 0) for name in instances)

    def of(self, instances: Iterable[str]) -> Role:
        """Merge the words of one service's instances into its role."""
        known = dict(self.words)
        return merge([known.get(name, "") for name in instances])


def merge(words: list[str]) -> Role:
    """Merge one word a heartbeat into one role."""
    if "MASTER" in words:
        return Role.MASTER if set(words) == {"MASTER"} else Role.CANDIDATE
    if "BACKUP" in words:
        return Role.BACKUP
    return Role.FAULT if "FAULT" in words else Role.NONE
