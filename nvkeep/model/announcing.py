"""When the neighbours are told again that an address is here. Pure; times are seconds of CLOCK_BOOTTIME.

The first telling is part of bringing the address up. The next ones are for frames that were lost, for switches that block a
port for a while, and for caches with a lock time; the long tail is for a neighbour that was deaf meanwhile.
"""

AFTER = (0.2, 1.0, 2.0, 5.0, 10.0)  # seconds after the address came up
EVERY = 10.0  # seconds, from then on
UNTIL = 300.0  # seconds after the address came up


def following(since: float, now: float) -> float:
    """Give the time of the next telling after now, 0 when there is none any more."""
    past = now - since
    first = next((one for one in AFTER if one > past), 0.0)
    if first:
        return since + first
    following = since + (past // EVERY + 1) * EVERY
    return following if following - since <= UNTIL else 0.0
