"""Steady seconds: what a bound counts in that a busy neighbour must not break.

Two busy loops on two cores make everything here take twice as long, and say nothing about nvkeep. So a bound on how long
something took, and the end of a wait, counts the seconds of a machine on which every process that wants a core has one: while
twice as many want to run as there are cores, a second is half a steady one. (The figure is `running` of /proc/loadavg, sampled
all the time.) On a machine at rest they are the seconds of the clock.

What keeps two hosts from one volume is never measured so.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect
from functools import cache
from pathlib import Path

EVERY_S = 0.05
CORES = os.cpu_count() or 1
LOADAVG = Path("/proc/loadavg")


def seconds(begun: float, ended: float | None = None) -> float:
    """Return how many steady seconds lie between two moments of CLOCK_BOOTTIME; the second is now, unless given."""
    return clock().reading(boottime() if ended is None else ended) - clock().reading(begun)


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds: one clock for the storage's log and the client's, and never set back."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def stretch() -> float:
    """Return how many times longer than on a machine at rest everything takes now: at least 1."""
    running = int(LOADAVG.read_text().split()[3].split("/")[0]) - 1  # all but the thread that reads
    return max(1.0, running / CORES)


class SteadyClock:
    """A clock that runs slower while the machine is busy; `add` gives it one sample after the other."""

    def __init__(self, begun: float) -> None:
        self._moments = [begun]
        self._readings = [0.0]

    def add(self, moment: float, stretched: float) -> None:
        """Count the time since the sample before; one that comes late does so because the machine was busy."""
        length = moment - self._moments[-1]
        self._readings.append(self._readings[-1] + length / max(stretched, length / (2 * EVERY_S)))
        self._moments.append(moment)

    def reading(self, moment: float) -> float:
        """Return the reading at a moment; outside of what was sampled, steady seconds are seconds."""
        after = bisect(self._moments, moment)
        if after in (0, len(self._moments)):
            known = after - 1 if after else 0
            return self._readings[known] + moment - self._moments[known]
        begun, ended = self._moments[after - 1 : after + 1]
        low, high = self._readings[after - 1 : after + 1]
        return low + (high - low) * (moment - begun) / (ended - begun)


@cache
def clock() -> SteadyClock:
    """Start the clock of this process, once."""
    steady = SteadyClock(boottime())
    threading.Thread(target=_sample, args=(steady,), daemon=True).start()
    return steady


def _sample(steady: SteadyClock) -> None:
    while True:
        time.sleep(EVERY_S)
        steady.add(boottime(), stretch())
