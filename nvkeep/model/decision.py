"""The eight lines: what a pass does, decided by one pure function of what was seen. Nothing else decides.

The rules and the counter-examples behind them are in docs/decisions.md. The order of LINES is the order of the rules: the
first that fits is taken.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from nvkeep.model.frozen import frozen
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


@frozen
class Facts:
    """All that a decision rests on. `release_why`, `cooling`, `maintenance`: the reason, empty where there is none.

    `waited`: this host has backed off once, has listened since and heard nobody, and no `health:` shows whether what answers
    also serves: an address and a bare connection are the kernel's answer.
    """

    role: Role
    holder: Holder
    ours: bool = False
    release_why: str = ""
    carrier: bool = True
    io: bool = True
    witness: bool = True
    fenced: bool = False
    cooling: str = ""
    guard: Guard = Guard.UNASKED
    waited: bool = False
    maintenance: str = ""


class Obstacle(StrEnum):
    """What, by the facts, keeps this host from serving or from taking over."""

    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"  # who holds
    CUT_OFF = "cut-off"  # no carrier, or no witness answers
    COOLING = "cooling"
    FENCED = "fenced"  # a master that has not heard the other host since


class Verdict(NamedTuple):
    """The line that fits, what it calls for, why in plain words, and what is in the way.

    `judged_by`: the action by which to judge how the resources stand. In maintenance nothing is done, but a holder should have
    them all and everybody else none.
    """

    line: int
    action: Action
    why: str
    obstacles: frozenset[Obstacle]
    judged_by: Action

    @property
    def barred(self) -> bool:
        """Whether nothing but the fencing record keeps a master from taking."""
        return self.action is Action.REST and self.obstacles == {Obstacle.FENCED}


class Line(NamedTuple):
    """One line of the table; `seen` and `does` are its words in docs/decisions.md."""

    seen: str
    does: str
    fits: Callable[[Facts], bool]
    action: Callable[[Facts], Action]
    why: Callable[[Facts], str]


def _may_try(facts: Facts) -> bool:
    free = facts.holder in (Holder.NOBODY, Holder.UNTOLD)
    able = facts.role in (Role.MASTER, Role.CANDIDATE) and facts.witness and not facts.cooling
    return free and able and not _may_take(facts)


def _may_take(facts: Facts) -> bool:
    """Return whether a master may take what another host holds, or what the storage names no holder of and nobody serves.

    To try first there would only add a step: where it is denied, this is what follows, with the same facts.
    """
    able = facts.role is Role.MASTER and facts.witness and not facts.fenced and not facts.cooling
    known_silent = facts.holder is Holder.UNTOLD and facts.guard is Guard.SILENT
    return able and (facts.holder is Holder.ANOTHER or known_silent)


def _guarded(facts: Facts) -> Action:
    if facts.guard is Guard.SERVED:
        return Action.SEIZE if facts.waited else Action.YIELD
    return Action.SEIZE if facts.guard is Guard.SILENT else Action.GUARD


def _guarded_why(facts: Facts) -> str:
    if facts.guard is Guard.UNASKED:
        return "another host holds the volume and this host is master: does somebody still serve?"
    if facts.holder is Holder.UNTOLD:
        return "this host is master, nobody serves any more, and this storage does not name the holder"
    if facts.guard is Guard.SILENT:
        return "another host holds the volume, this host is master, and nobody serves any more"
    if facts.waited:
        return "another host holds the volume; this host backed off, and still does not hear it (no `health:` shows more)"
    return "another host holds the volume and its address still answers"


def _resting(facts: Facts) -> str:
    if facts.role in (Role.MASTER, Role.CANDIDATE) and not facts.witness:
        return "this host is cut off (no witness answers): it takes nothing"
    if facts.role in (Role.MASTER, Role.CANDIDATE) and facts.cooling:
        return f"this host does not try again yet: {facts.cooling}"
    if facts.role is Role.MASTER and facts.fenced:
        return "this host has lost the volume and has not heard the other host since"
    if facts.holder is Holder.ANOTHER:
        return f"another host holds the volume and the role here is {facts.role}"
    return f"the role here is {facts.role}: nothing to hold"


LINES: dict[int, Line] = {
    1: Line(
        "another host holds a volume that our record or our mounts call ours",
        "isolates: address, units (killed), mounts, volume; records that it was fenced",
        lambda f: f.holder is Holder.ANOTHER and f.ours,
        lambda _: Action.ISOLATE,
        lambda _: "another host has taken the volume from this host",
    ),
    2: Line(
        "ordered to release (keepalived stopped by hand, held, shutdown), or no carrier on the service network for 2 seconds",
        "releases in order; then the flag is 0",
        lambda f: bool(f.release_why) or not f.carrier,
        lambda _: Action.RELEASE,
        lambda f: f.release_why or "the service network has no carrier",
    ),
    3: Line(
        "this host's volume does no I/O, or does not answer, for 10 seconds",
        "isolates",
        lambda f: f.holder in (Holder.ME, Holder.UNKNOWN) and not f.io,
        lambda _: Action.ISOLATE,
        lambda _: "the volume does no I/O any more",
    ),
    4: Line(
        "this host holds the volume",
        "serves: converges everything, in any role",
        lambda f: f.holder is Holder.ME,
        lambda _: Action.SERVE,
        lambda _: "this host holds the volume",
    ),
    5: Line(
        "who holds is unknown",
        "changes nothing, and says so",
        lambda f: f.holder is Holder.UNKNOWN,
        lambda _: Action.WAIT,
        lambda _: "cannot determine who holds the volume: nothing is changed",
    ),
    6: Line(
        "nobody is known to hold; role MASTER or CANDIDATE; the witness answers; not line 7",
        "acquires, without preempting",
        _may_try,
        lambda _: Action.ACQUIRE,
        lambda f: f"nobody is known to hold the volume and the role here is {f.role}",
    ),
    7: Line(
        "another holds, or this storage names no holder and nobody serves; role MASTER; the witness answers; no fencing record",
        "asks the guard: served, it yields; silent, or unheard after yielding once where no `health:` shows more, it seizes",
        _may_take,
        _guarded,
        _guarded_why,
    ),
    8: Line(
        "anything else",
        "rests, with nothing of the service left behind",
        lambda _: True,
        lambda _: Action.REST,
        _resting,
    ),
}


def decide(facts: Facts) -> Verdict:
    """Take the first line that fits; in maintenance, only say so. Pure; always finds one."""
    number, line = next((number, line) for number, line in LINES.items() if line.fits(facts))
    action, why, obstacles = line.action(facts), line.why(facts), frozenset(_obstacles(facts))
    if not facts.maintenance:
        return Verdict(number, action, why, obstacles, action)
    return Verdict(
        number, Action.WAIT, f"{facts.maintenance} (else: {action}: {why})", obstacles, _in_maintenance(facts.holder)
    )


def _in_maintenance(holder: Holder) -> Action:
    if holder is Holder.UNKNOWN:
        return Action.WAIT
    return Action.SERVE if holder is Holder.ME else Action.REST


def _obstacles(facts: Facts) -> Iterator[Obstacle]:
    if facts.maintenance:
        yield Obstacle.MAINTENANCE
    if facts.holder is Holder.UNKNOWN:
        yield Obstacle.UNKNOWN
    if not facts.witness or not facts.carrier:
        yield Obstacle.CUT_OFF
    if facts.cooling:
        yield Obstacle.COOLING
    if facts.fenced and facts.role is Role.MASTER:
        yield Obstacle.FENCED
