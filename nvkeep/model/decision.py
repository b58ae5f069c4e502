"""The eight lines: what a pass does, decided by one pure function of what was seen. Nothing else decides.

The rules and the counter-examples behind them are in docs/decisions.md. The order of LINES is the order of the rules: the
first that fits is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from nvkeep.model.role import Role


class Holder(StrEnum):
    """Who may write to the volumes of a service. UNTOLD: the storage tells only a host that tries."""

    ME = "me"
    ANOTHER = "another"
    NOBODY = "nobody"
    UNTOLD = "untold"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What a pass does."""

    ISOLATE = "isolate"
    RELEASE = "release"
    SERVE = "serve"
    WAIT = "wait"
    ACQUIRE = "acquire"
    GUARD = "guard"
    SEIZE = "seize"
    YIELD = "yield"
    REST = "rest"


class Guard(StrEnum):
    """Whether somebody still serves, as far as it was asked."""

    UNASKED = "unasked"
    SERVED = "served"
    SILENT = "silent"


@dataclass(frozen=True)
class Facts:
    """All that a decision rests on."""

    role: Role
    holder: Holder
    ours: bool = False
    told: str = ""
    carrier: bool = True
    io: bool = True
    witness: bool = True
    loss: bool = False
    cooling: str = ""
    guard: Guard = Guard.UNASKED


class Verdict(NamedTuple):
    """The line that fits, what it calls for, and why in plain words."""

    line: int
    action: Action
    why: str


class Line(NamedTuple):
    """One line of the table."""

    fits: Callable[[Facts], bool]
    action: Callable[[Facts], Action]
    why: Callable[[Facts], str]


def _may_try(facts: Facts) -> bool:
    free = facts.holder in (Holder.NOBODY, Holder.UNTOLD)
    return free and facts.role in (Role.MASTER, Role.CANDIDATE) and facts.witness and not facts.cooling


def _may_take(facts: Facts) -> bool:
    able = facts.witness and not facts.loss and not facts.cooling
    return facts.holder is Holder.ANOTHER and facts.role is Role.MASTER and able


def _guarded(facts: Facts) -> Action:
    return {Guard.UNASKED: Action.GUARD, Guard.SERVED: Action.YIELD, Guard.SILENT: Action.SEIZE}[facts.guard]


def _guarded_why(facts: Facts) -> str:
    return {
        Guard.UNASKED: "another host holds the volume and this host is master: does somebody still serve?",
        Guard.SERVED: "another host holds the volume and its address still answers",
        Guard.SILENT: "another host holds the volume, this host is master, and nobody serves any more",
    }[facts.guard]


def _resting(facts: Facts) -> str:
    if facts.role in (Role.MASTER, Role.CANDIDATE) and not facts.witness:
        return "this host is cut off (no witness answers): it takes nothing"
    if facts.role in (Role.MASTER, Role.CANDIDATE) and facts.cooling:
        return f"this host does not try again yet: {facts.cooling}"
    if facts.role is Role.MASTER and facts.loss:
        return "this host has lost the volume and has not heard the other host since"
    if facts.holder is Holder.ANOTHER:
        return f"another host holds the volume and the role here is {facts.role}"
    return f"the role here is {facts.role}: nothing to hold"


LINES: dict[int, Line] = {
    1: Line(
        lambda f: f.holder is Holder.ANOTHER and f.ours,
        lambda _: Action.ISOLATE,
        lambda _: "another host has taken the volume from this host",
    ),
    2: Line(
        lambda f: bool(f.told) or not f.carrier,
        lambda _: Action.RELEASE,
        lambda f: f.told or "the service network has no carrier",
    ),
    3: Line(
        lambda f: f.holder in (Holder.ME, Holder.UNKNOWN) and not f.io,
        lambda _: Action.ISOLATE,
        lambda _: "the volume does no I/O any more",
    ),
    4: Line(lambda f: f.holder is Holder.ME, lambda _: Action.SERVE, lambda _: "this host holds the volume"),
    5: Line(
        lambda f: f.holder is Holder.UNKNOWN,
        lambda _: Action.WAIT,
        lambda _: "who holds the volume cannot be told: nothing is changed",
    ),
    6: Line(
        _may_try,
        lambda _: Action.ACQUIRE,
        lambda f: f"nobody is known to hold the volume and the role here is {f.role}",
    ),
    7: Line(_may_take, _guarded, _guarded_why),
    8: Line(lambda _: True, lambda _: Action.REST, _resting),
}


def decide(facts: Facts) -> Verdict:
    """Take the first line that fits. Pure; always finds one."""
    number, line = next((number, line) for number, line in LINES.items() if line.fits(facts))
    return Verdict(number, line.action(facts), line.why(facts))


@dataclass(frozen=True)
class Standing:
    """What, beside the facts, keeps a host from having the role: each names the reason, empty when it does not."""

    outdated: str = ""
    yielding: str = ""
    dipping: str = ""
    deaf: str = ""


def eligible(facts: Facts, standing: Standing) -> tuple[bool, str]:
    """Tell whether this host may have the role (the flag keepalived tracks), and if not, why not."""
    reasons = (
        facts.told,
        "" if facts.carrier else "the service network has no carrier",
        "" if facts.io else "the volume does no I/O",
        "" if facts.holder is not Holder.UNKNOWN or facts.ours else "who holds the volume cannot be told here",
        standing.outdated,
        "" if facts.witness else "no witness answers: this host is cut off",
        facts.cooling,
        standing.yielding,
        standing.dipping,
        standing.deaf,
    )
    why = next(filter(None, reasons), "")
    return not why, why
