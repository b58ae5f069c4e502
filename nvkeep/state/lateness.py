"""Whether a pass is overdue. The timer asks it every few seconds, so it is asked before anything of weight is imported."""

import json
import time
from contextlib import suppress
from pathlib import Path

from nvkeep.state.files import RUN

TIMER = "nvkeep-reconcile.timer"
DROP_IN = f"/run/systemd/system/{TIMER}.d/interval.conf"
DEFAULT_INTERVAL_S = 10.0  # as the timer's own file has it
OVERDUE = 1.5  # intervals: the agent makes a pass every interval, give or take a second


def overdue() -> bool:
    """Return whether a service has had no pass for longer than the agent lets pass between two; what is unknown is overdue."""
    allowed = OVERDUE * interval()
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        ages = [now - _passed(path) for path in Path(RUN, "report").iterdir() if path.name[0] != "."]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return True
    return not ages or not all(0 <= age <= allowed for age in ages)


def _passed(report: Path) -> float:
    return float(json.loads(report.read_text(encoding="utf-8"))["at"])


def interval() -> float:
    """Return the seconds between two runs of the timer: those that the agent has set, or the default."""
    with suppress(OSError, ValueError):
        return float(Path(DROP_IN).read_text(encoding="utf-8").rpartition("=")[2])
    return DEFAULT_INTERVAL_S
