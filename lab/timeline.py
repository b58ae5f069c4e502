"""What happened when, after a server died: read from the logs of the server that took over, drawn as bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 48  # characters of the longest bar
STAGES = (
    ("detected: keepalived makes this server master", "event_handler", " MASTER "),
    ("guard: nobody serves any more", "actions", ": line 7: seize"),
    ("volume attached, the old holder fenced", "actions", ": seize: converged"),
    ("file system mounted", "actions", ": mount "),
    ("address up and announced", "actions", ": address "),
)


@dataclass(frozen=True)
class Stage:
    """One thing that was done, from when to when, in seconds since the crash."""

    what: str
    begun: float
    ended: float


def stages(logs: dict[str, str], crash: float, answered: float, unit: str = ": service ") -> list[Stage]:
    """Find the stages; `crash` and `answered` are seconds of the epoch."""
    found: list[Stage] = []
    begun = 0.0
    for what, log, mark in STAGES:
        ended = first(logs[log], crash, mark, "converged" if mark.startswith((": mount", ": address")) else "")
        if ended is not None:
            found.append(Stage(what, begun, ended - crash))
            begun = ended - crash
    found.append(Stage("first row acknowledged to the client", begun, answered - crash))
    systemd = first(logs["actions"], crash, unit, "converged")
    if systemd is not None:
        found.append(Stage("unit active, as systemd tells it", begun, systemd - crash))
    return found


def first(log: str, after: float, *marks: str) -> float | None:
    """Find when the first line with all of these was written after a moment; both are seconds of the epoch."""
    for line in log.splitlines():
        when = _time(line)
        if when is not None and when >= after and all(mark in line for mark in marks):
            return when
    return None


def trace(logs: dict[str, str], begun: float, ended: float) -> tuple[str, ...]:
    """Give every line of the logs between two moments, with the seconds since the first; all are seconds of the epoch."""
    lines = [(_time(line), line.partition(": ")[2]) for log in logs.values() for line in log.splitlines()]
    known = sorted((when, text) for when, text in lines if when is not None and begun <= when <= ended)
    return tuple(f"{when - begun:.3f} {text}" for when, text in known)


def _time(line: str) -> float | None:
    try:
        return datetime.fromisoformat(line.split(": ", 1)[0]).timestamp()
    except ValueError:
        return None


def bars(found: Sequence[Stage]) -> list[str]:
    """Draw one line a stage."""
    whole = max(stage.ended for stage in found)
    return [_bar(stage, whole) for stage in found]


def _bar(stage: Stage, whole: float) -> str:
    left, right = (round(WIDTH * edge / whole) for edge in (stage.begun, stage.ended))
    drawn = (" " * left + "█" * max(1, right - left)).ljust(WIDTH + 1)
    return f"  {stage.ended:6.2f} s |{drawn}| {stage.what}"
