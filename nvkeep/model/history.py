"""The history of a service: one entry for each pass that changed or refused something. Pure.

An entry is a line of JSON; docs/reference.md has it key by key. It holds all that the decision rests on, so that the same code
comes to the same decision from it again (`nvkeep replay`), and what each step took.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from nvkeep.model.decision import Action, Facts, Guard, Holder, Verdict, decide
from nvkeep.model.report import SETTLED, Outcome, Report, Word
from nvkeep.model.role import Role

HISTORY, OLDER = "/var/lib/nvkeep/history", "/var/lib/nvkeep/history.older"
HISTORY_BYTES = 2 << 20  # of each of the two: a takeover is 3 KiB
SCHEMA = 1
AGAIN_S = 600.0  # until the same end is kept again
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
TYPES = {"role": Role, "holder": Holder, "guard": Guard}  # of the facts that are no text and no yes or no
TAKEN = (Action.ACQUIRE, Action.SEIZE)

Entry = Mapping[str, Any]


def identifier(wall: float, service: str) -> str:
    """Name an entry by its time (seconds since 1970) and its service, in ten letters and digits that sort and can be typed."""
    return _digits(int(max(0.0, wall) * 1000), 8) + _digits(crc32(service.encode()), 2)


def _digits(number: int, places: int) -> str:
    text = ""
    for _ in range(places):
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text


def differs(report: Report, made: Iterable[Outcome], before: Entry, now: float) -> bool:
    """Return whether a pass is kept: it changed something, or came to another end than the one before.

    An end that was kept within ten minutes is not kept again: a host that hears nobody comes to the same few ends for hours.
    """
    changed = any(outcome.ran and outcome.word is not Word.DENIED for outcome in made)
    return changed or (_end(_plain(report)) != _end(before) and end(report) not in recent(before, now))


def end(report: Report) -> str:
    """Name how a pass ended."""
    return f"{crc32(repr(_end(_plain(report))).encode()):08x}"


def recent(before: Entry, now: float) -> dict[str, float]:
    """Give the ends that were kept within ten minutes, by what the pass before says."""
    known = before.get("kept") or {}
    return {name: at for name, at in known.items() if now - AGAIN_S < at <= now}


def _end(record: Entry) -> tuple[object, ...]:
    """Give how a pass ended; whether something was so before or has become so is the same end."""
    outcomes = record.get("outcomes") or ()
    words = [(row["key"], "" if row["word"] in SETTLED else str(row["word"])) for row in outcomes]
    return (*(record.get(key) for key in ("line", "did", "why", "eligible")), words)


def _plain(report: Report) -> dict[str, Any]:
    return vars(report) | {"outcomes": [vars(outcome) for outcome in report.outcomes]}


class Times(NamedTuple):
    """When a pass began and ended and the service answered first (0: not heard), in seconds since boot.

    `wall`: when it began, in seconds since 1970; `outage`: for how many seconds the service was away, where it stands here
    since this pass; None else, or where nobody had heard it before.
    """

    began: float
    ended: float
    wall: float
    answered: float = 0.0
    outage: float | None = None


def entry(report: Report, made: Iterable[Outcome], times: Times) -> dict[str, Any]:
    """Make the entry of a pass. `made`: everything that it did, in this order; the report has how things stood at its end."""
    return {
        "schema": SCHEMA,
        "id": identifier(times.wall, report.service),
        "wall": times.wall,
        "began": times.began,
        "seconds": round(times.ended - times.began, 3),
        "answered": round(times.answered - times.began, 3) if times.answered else None,
        "outage": None if times.outage is None else round(times.outage, 3),
        "service": report.service,
        "role": report.role,
        "holder": report.holder,
        "line": report.line,
        "did": str(report.did),
        "why": report.why,
        "eligible": report.eligible,
        "eligible_why": report.eligible_why,
        "settled": report.settled,
        "facts": report.facts,
        "steps": [_step(outcome, times.began) for outcome in (*made, *_left(report, made))],
    }


def _left(report: Report, made: Iterable[Outcome]) -> list[Outcome]:
    """Pick what a report says of resources of which nothing was made."""
    keys = {outcome.key for outcome in made}
    return [outcome for outcome in report.outcomes if outcome.key not in keys]


def _step(outcome: Outcome, began: float) -> dict[str, Any]:
    begun = max(0.0, outcome.begun - began) if outcome.begun else 0.0
    return vars(outcome) | {"begun": round(begun, 3), "seconds": round(outcome.seconds, 3)}


def taken(entry: Entry) -> bool:
    """Return whether a pass took the service for this host."""
    return entry["did"] in TAKEN and entry["holder"] == Holder.ME


def facts(entry: Entry) -> Facts:
    """Read the facts of an entry. Raises ValueError, TypeError for what this version does not know."""
    known: dict[str, Any] = {name: TYPES[name](value) if name in TYPES else value for name, value in entry["facts"].items()}
    return Facts(**known)


def replayed(entry: Entry) -> tuple[Verdict, bool]:
    """Decide again from what an entry holds; return also whether that is what was decided then.

    A pass that could not ask the guard has waited: of that the facts know nothing.
    """
    verdict = decide(facts(entry))
    could_not_ask = verdict.action is Action.GUARD and entry["did"] == Action.WAIT
    return verdict, verdict.line == entry["line"] and (could_not_ask or verdict.action == entry["did"])


class Spread(NamedTuple):
    """What a step took, in seconds: how often it was made, and the median, nine tenths and the longest."""

    step: str
    times: int
    median: float
    most: float
    longest: float


def percentiles(entries: Iterable[Entry], *, until_answer: bool = False) -> list[Spread]:
    """Sum up each step that was made, by what it did with which kind of resource.

    `until_answer`: of a step during which the service answered, only the time until then.
    """
    taken: dict[str, list[float]] = {}
    for entry in entries:
        for step in entry["steps"]:
            if step.get("ran"):
                seconds = _away(entry, step) if until_answer else float(step["seconds"])
                taken.setdefault(f"{step['key'].partition(' ')[0]} {step['verb']}", []).append(seconds)
    return [_spread(name, sorted(seconds)) for name, seconds in sorted(taken.items())]


def _away(entry: Entry, step: Entry) -> float:
    answered = entry["answered"]
    begun, seconds = float(step["begun"]), float(step["seconds"])
    return float(answered) - begun if answered is not None and begun <= answered <= begun + seconds else seconds


def _spread(name: str, seconds: Sequence[float]) -> Spread:
    from statistics import quantiles  # noqa: PLC0415 - it imports fractions and decimals, which no pass needs

    tenths = quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 9
    return Spread(name, len(seconds), tenths[4], tenths[8], seconds[-1])
