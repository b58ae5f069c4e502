"""What somebody has ordered by hand, against which nothing is done by itself: kept with its owner, reason, start and end. Pure.

An end is a time of day, in seconds since 1970: it has to survive reboots, and people set it by the clock on the wall.
"""

import time
from enum import StrEnum

from nvkeep.model.frozen import frozen

LATEST = 32_503_680_000.0  # the year 3000, in seconds since 1970: localtime(3) has an end as well


class Kind(StrEnum):
    """A closed list. STANDBY is of a host, the others are of a service on a host."""

    STANDBY = "standby"  # this host serves nothing
    STOPPED = "stopped"  # nobody serves it
    AWAY = "away"  # moved away by hand: not taken here again until another host has served it
    MAINTENANCE = "maintenance"  # it is watched, and nothing is done


SENTENCE = {
    Kind.STANDBY: "this host is on standby",
    Kind.STOPPED: "it is stopped",
    Kind.AWAY: "it was moved away by hand, and is not taken here again until another host has served it",
    Kind.MAINTENANCE: "maintenance: it is watched, and nothing is done",
}
ENDED_BY = {
    Kind.STANDBY: "nvkeep activate",
    Kind.STOPPED: "nvkeep start {}",
    Kind.AWAY: "nvkeep start {} --here",
    Kind.MAINTENANCE: "nvkeep maintenance {} --end",
}


@frozen
class Override:
    """One order. `service`: empty where it is of the whole host; `since`: for people; `until`: 0 = until it is ended."""

    kind: Kind
    service: str
    owner: str
    reason: str
    since: str
    until: float = 0.0

    def over(self, now: float) -> bool:
        """Return whether its time is over (now: seconds since 1970)."""
        return 0 < self.until <= now

    @property
    def end(self) -> str:
        """Give the command that ends it."""
        return ENDED_BY[self.kind].format(self.service)

    def __str__(self) -> str:
        """Say what was ordered, by whom, why and until when, and the command that ends it."""
        until = f" until {moment(self.until)}" if self.until else ""
        return f"{SENTENCE[self.kind]}, since {self.since}{until}, by {self.owner}: {self.reason}; {self.end}"

    @property
    def expired(self) -> str:
        """Say that its time is over, and what ends this reminder."""
        return f"{self.kind} (by {self.owner}: {self.reason}) was over at {moment(self.until)}: nvkeep acts again; {self.end}"


def moment(seconds: float, *, exact: bool = False) -> str:
    """Write a time (seconds since 1970) as people here read it; exact: with its seconds."""
    return time.strftime("%Y-%m-%d %H:%M:%S" if exact else "%Y-%m-%d %H:%M", time.localtime(seconds))
