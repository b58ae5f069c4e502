"""How often a service may be started here before somebody has to look. Pure; times are seconds of CLOCK_BOOTTIME.

A start that fails, and a unit that has to be started again while the host serves, spend it. Without it two hosts with the same
mistake would hand a service to and fro for ever.
"""

STARTS = 3
SPAN = 600.0  # seconds


def spend(starts: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Add one start, and forget those that are too long ago."""
    return (*recent(starts, now), now)


def recent(starts: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Keep the starts that still count."""
    return tuple(one for one in starts if now - SPAN < one <= now)


def spent(starts: tuple[float, ...], now: float) -> bool:
    """Tell whether nothing is left."""
    return len(recent(starts, now)) >= STARTS
