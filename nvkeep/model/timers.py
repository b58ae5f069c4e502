"""Times that last longer than a pass, and what follows from them. Pure; all are seconds of CLOCK_BOOTTIME, 0 = not at all.

Timers is what one service has on record in this boot. Each section says what follows from a part of it: backoff, tie-break,
restart limit, and when an address is announced again.
"""

from typing import NamedTuple

from nvkeep.model.frozen import frozen
from nvkeep.model.role import Role

# --- backoff ----------------------------------------------------------------------------------------------------------
# A master that finds the service served lowers its flag, and listens again later, from when the flag is up. keepalived says
# BACKUP while it listens, heard or not: that counts as having heard only when it lasts longer than a silent master could be.

BACKOFF_FIRST_S, BACKOFF_LONGEST_S = 10.0, 300.0  # each time it was in vain, twice as long


class Backoff(NamedTuple):
    """Until when the flag is down, for how long that was, since when this host listens, and which holders it waits for.

    `holders`: the volumes with the versions of their reservations, so that a backoff begins again for another holder.
    """

    until: float = 0.0
    patience: float = 0.0
    listening_since: float = 0.0
    holders: str = ""

    def waited_for(self, holders: str, now: float) -> bool:
        """Return whether this host has backed off for these holders, and that is over."""
        return self.patience > 0 and now >= self.until and self.holders == holders


def back_off(old: Backoff, now: float, holders: str) -> Backoff:
    """Back off once more."""
    patience = min(BACKOFF_LONGEST_S, 2 * old.patience or BACKOFF_FIRST_S)
    return Backoff(now + patience, patience, 0.0, holders)


def after_hearing(old: Backoff, role: Role, now: float, master_down: float) -> Backoff:
    """Advance by what is heard now; a host that hears the other one backs off no more."""
    if now < old.until or not old.patience:
        return old
    since = old.listening_since or now
    heard = role is Role.BACKUP and now - since > 2 * master_down
    return Backoff() if heard else old._replace(listening_since=since)


# --- tie-break --------------------------------------------------------------------------------------------------------
# When several hosts are each master on some of the networks, a CANDIDATE that holds nothing lowers its flag for a moment, after
# TIE_BREAK_FIRST_S, and TIE_BREAK_NEXT_S more for each host preferred to it. So they become one: nobody takes a role back.

TIE_BREAK_FIRST_S, TIE_BREAK_NEXT_S, TIE_BREAK_LASTS_S = 10.0, 5.0, 1.0


class TieBreak(NamedTuple):
    """Since when this host has been an idle candidate (0 = it is none), and whether its flag has to be 0 now."""

    since: float
    now: bool


def tie_break(since: float, role: Role, now: float, position: int, *, idle: bool) -> TieBreak:
    """Advance by one pass; `position` in the list of hosts, `idle`: it holds nothing."""
    candidate = role is Role.CANDIDATE and idle
    began = since or (now if candidate else 0.0)
    due = began + TIE_BREAK_FIRST_S + TIE_BREAK_NEXT_S * position
    if not began or now >= due + TIE_BREAK_LASTS_S:
        return TieBreak(0.0, now=False)
    return TieBreak(began, now=True) if now >= due else TieBreak(began if candidate else 0.0, now=False)


# --- restart limit ----------------------------------------------------------------------------------------------------
# How often a service may be started here before somebody has to look. A start that fails counts, and so does a unit that has
# to be started again while the host serves. Without the limit two hosts with the same mistake would pass a service to and fro
# for ever.

RESTART_LIMIT = 3  # starts
RESTART_SPAN_S = 600.0


def with_start(starts: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Add one start, and forget those that are too long ago."""
    return (*recent(starts, now), now)


def recent(starts: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Keep the starts that still count."""
    return tuple(start for start in starts if now - RESTART_SPAN_S < start <= now)


def at_limit(starts: tuple[float, ...], now: float) -> bool:
    """Return whether the service may be started no more."""
    return len(recent(starts, now)) >= RESTART_LIMIT


@frozen
class Blocked:
    """What failed (the key of a resource), why the service is blocked, and since when (for people: local time)."""

    key: str
    why: str
    since: str


# --- announcing an address again --------------------------------------------------------------------------------------
# The first announcement is part of bringing the address up. The next ones are for frames that were lost, for switches that
# block a port for a while, and for caches with a lock time; the long tail is for a neighbour that was deaf meanwhile.

ANNOUNCE_AFTER_S = (0.2, 1.0, 2.0, 5.0, 10.0)  # after the address came up
ANNOUNCE_EVERY_S, ANNOUNCE_UNTIL_S = 10.0, 300.0


def next_announcement(since: float, now: float) -> float:
    """Return the time of the next announcement after now, 0 when there is none any more; `since`: when the address came up."""
    past = now - since
    first = next((after for after in ANNOUNCE_AFTER_S if after > past), 0.0)
    if first:
        return since + first
    following = since + (past // ANNOUNCE_EVERY_S + 1) * ANNOUNCE_EVERY_S
    return following if following - since <= ANNOUNCE_UNTIL_S else 0.0


STOOD_EVERY_S, UNSEEN_LIMIT_S = 10.0, 120.0  # how often that is recorded; how long a holder may not be seen to stand
DENIED_AGAIN_S = 60.0  # after which a candidate asks storage that names no holder again: it may be a candidate for long

# --- the record -------------------------------------------------------------------------------------------------------


@frozen
class Timers:
    """Times of this boot. The names are the keys of /run/nvkeep/standing/SERVICE, which an upgrade reads: they stay."""

    cooling_until: float = 0.0
    cooling_why: str = ""
    yield_until: float = 0.0
    patience: float = 0.0
    listening_since: float = 0.0
    aside_for: str = ""
    announce_since: float = 0.0
    announce_at: float = 0.0
    io_bad_since: float = 0.0
    candidate_since: float = 0.0
    carrier_lost_since: float = 0.0
    fresh_since: float = 0.0  # taken then, and not seen to stand wholly since
    silent_since: float = 0.0  # nobody answered for the service since then, until this host took it; 0 once it stands here
    stood_at: float = 0.0  # seen to stand wholly, give or take STOOD_EVERY_S
    answered_since: float = 0.0  # somebody has answered for an address since then, while nobody holds the volumes
    denied_at: float = 0.0  # the volume was denied to this host then, and it has been a candidate since
    adverts: int = 0  # that keepalived had received when this host began to listen

    @property
    def backoff(self) -> Backoff:
        """Until when, and for which holders, this host backs off."""
        return Backoff(self.yield_until, self.patience, self.listening_since, self.aside_for)

    def denied(self, role: Role, now: float) -> float:
        """Return when the volume was denied to this host, if it need not try again yet; else 0."""
        return self.denied_at if role is Role.CANDIDATE and now - self.denied_at < DENIED_AGAIN_S else 0.0
