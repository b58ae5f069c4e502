"""When several hosts are each master on a part of the heartbeat networks, one steps back for a moment. Pure.

A CANDIDATE that holds nothing dips its flag after FIRST seconds, and NEXT more for each host that is preferred to it; so the
masters of several networks become one host, because nobody takes a role back (nopreempt).
"""

from typing import NamedTuple

from nvkeep.model.role import Role

FIRST, NEXT, LONG = 10.0, 5.0, 1.0  # seconds


class Dip(NamedTuple):
    """Since when this host has been an idle candidate (seconds since boot, 0 = it is none), and whether it dips now."""

    since: float
    now: bool


def dip(since: float, role: Role, now: float, position: int, *, idle: bool) -> Dip:
    """Advance by one look; `position` in the list of hosts, `idle`: it holds nothing."""
    candidate = role is Role.CANDIDATE and idle
    began = since or (now if candidate else 0.0)
    due = began + FIRST + NEXT * position
    if not began or now >= due + LONG:
        return Dip(0.0, now=False)
    return Dip(began, now=True) if now >= due else Dip(began if candidate else 0.0, now=False)
