"""Which line of the table decided, on which facts, and which other fact would lead to another decision. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from nvkeep.model.decision import LINES, Facts, Guard, Holder, Verdict, decide
from nvkeep.model.role import Role

WORDS = {
    "role": "the role that keepalived gives this host",
    "holder": "who holds the volumes, as the storage says",
    "ours": "this host has it on record, or has mounts or units of it",
    "release_why": "why this host has to release",
    "carrier": "the service network has a carrier",
    "io": "the volume does I/O",
    "witness": "a witness answers (a gateway, or `ping:`)",
    "fenced": "fencing record: taken from here, the other host not heard since",
    "cooling": "why this host does not try again yet",
    "guard": "whether somebody still serves",
    "waited": "this host has backed off, and has not heard the holder since",
    "maintenance": "maintenance",
}  # by the names of Facts
CHOICES: dict[str, tuple[Any, ...]] = {"role": tuple(Role), "holder": tuple(Holder), "guard": (Guard.SERVED, Guard.SILENT)}


class Otherwise(NamedTuple):
    """What one other fact would lead to."""

    name: str
    value: object
    verdict: Verdict


def otherwise(facts: Facts) -> list[Otherwise]:
    """Change one fact at a time; give what leads to another line or action."""
    was = decide(facts)
    every = [Otherwise(name, value, decide(replace(facts, **{name: value}))) for name, value in _changes(facts)]
    return [one for one in every if (one.verdict.line, one.verdict.action) != (was.line, was.action)]


def _changes(facts: Facts) -> Iterator[tuple[str, Any]]:
    for name, value in vars(facts).items():
        if name in CHOICES:
            yield from ((name, choice) for choice in CHOICES[name] if choice != value)
        elif isinstance(value, bool):
            yield name, not value
        elif value:  # a reason can end; what another one would be nobody knows
            yield name, ""


def lines(facts: Facts) -> Iterator[str]:
    """Say it in lines: the table's line, the facts, and what each other one would lead to."""
    verdict = decide(facts)
    rule = LINES[verdict.line]
    yield f"line {verdict.line}: {verdict.action}: {verdict.why}"
    yield f"  it fits when: {rule.seen}"
    yield f"  a pass then: {rule.does}"
    yield "facts"
    yield from (f"  {name:<12} {_shown(value):<10} {WORDS[name]}" for name, value in vars(facts).items())
    yield "what would change it"
    others = otherwise(facts)
    yield from (
        f"  {other.name} {_shown(other.value)}: line {other.verdict.line}: {other.verdict.action}: {other.verdict.why}"
        for other in others
    )
    if not others:
        yield "  no single fact"


def _shown(value: object) -> str:
    return {True: "yes", False: "no", "": "-"}.get(value, str(value)) if isinstance(value, bool | str) else str(value)
