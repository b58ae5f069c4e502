"""A plan is data: what would be run, in which order, and why. The dry run prints the very objects that are run."""

from enum import StrEnum
from typing import NamedTuple, Self

from nvkeep.model.decision import Action
from nvkeep.model.frozen import frozen


class Want(StrEnum):
    """What a service is converged to."""

    HERE = "here"
    GONE = "gone"
    ISOLATED = "isolated"


WANT = {
    Action.ISOLATE: Want.ISOLATED,
    **dict.fromkeys((Action.RELEASE, Action.REST, Action.YIELD), Want.GONE),
    **dict.fromkeys((Action.SERVE, Action.ACQUIRE, Action.SEIZE), Want.HERE),
}


class Ref(str):
    """The kind and the name of a resource, as "mount /srv/pg": so it stands in reports, in logs and in what a pass records."""

    __slots__ = ()

    @classmethod
    def of(cls, kind: str, name: str) -> Self:
        """Join the two; a kind is one word."""
        return cls(f"{kind} {name}")

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self.partition(" ")[0]

    @property
    def name(self) -> str:
        """The name within the kind, which may hold spaces."""
        return self.partition(" ")[2]


@frozen
class Unknown:
    """How a resource stands where that could not be determined, and why: neither there nor absent."""

    why: str


State = object | Unknown | None  # what a kind has seen, or that it could not be determined; None = absent


class Step(NamedTuple):
    """One command: argv, and the longest it may take in seconds."""

    argv: tuple[str, ...]
    timeout: float = 30.0

    def __str__(self) -> str:
        return " ".join(self.argv)


Steps = tuple[Step, ...]


def steps(*commands: tuple[str, ...], timeout: float = 30.0) -> Steps:
    """Make steps of argv tuples."""
    return tuple(Step(argv, timeout) for argv in commands)


class Verb(StrEnum):
    """How a resource is moved."""

    ACQUIRE = "acquire"
    SEIZE = "seize"
    ADJUST = "adjust"
    RELEASE = "release"
    CUT = "cut"
    ISOLATE = "isolate"

    @property
    def leaves(self) -> bool:
        """Whether the resource is gone when it is done."""
        return self in (Verb.RELEASE, Verb.ISOLATE)


@frozen
class Change:
    """One resource, what is done to it, by which commands, and why."""

    key: Ref
    verb: Verb
    steps: Steps
    why: str


@frozen
class Plan:
    """Moves downward first, then upward; `waiting` maps what is left alone to the reason."""

    down: tuple[Change, ...] = ()
    up: tuple[Change, ...] = ()
    waiting: tuple[tuple[Ref, str], ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes in the order they are made."""
        return self.down + self.up
