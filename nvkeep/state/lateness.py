"""Whether a pass is overdue. The timer asks it every few seconds, so it is asked before anything of weight is imported."""

import json
import os
import time
from contextlib import suppress

from nvkeep.state import RUN

TIMER = "nvkeep-reconcile.timer"
DROP_IN = f"/run/systemd/system/{TIMER}.d/interval.conf"
DEFAULT_INTERVAL_S = 10.0  # as the timer's own file has it
OVERDUE = 1.5  # intervals: the agent makes a pass every interval, give or take a second


def overdue() -> bool:
    """Return whether a service has had no pass for longer than the agent lets pass between two; what is unknown is overdue."""
    allowed = OVERDUE * interval()
    try:
        names = os.listdir(f"{RUN}/report")  # noqa: PTH208 - as below
        passed = [_passed(f"{RUN}/report/{name}") for name in names if name[0] != "."]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return True
    now = time.clock_gettime(time.CLOCK_BOOTTIME)  # after all of them were read: a pass may end meanwhile
    return not passed or not all(0 <= now - at <= allowed for at in passed)


def _passed(report: str) -> float:
    with open(report, encoding="utf-8") as stream:  # noqa: PTH123 - pathlib is a fifth of the time this takes
        return float(json.load(stream)["at"])


def interval() -> float:
    """Return the seconds between two runs of the timer: those that the agent has set, or the default."""
    with suppress(OSError, ValueError), open(DROP_IN, encoding="utf-8") as stream:  # noqa: PTH123 - as above
        return float(stream.read().rpartition("=")[2])
    return DEFAULT_INTERVAL_S
