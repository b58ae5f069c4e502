"""What this host would run if something happened: its own observed facts with one thing assumed. Changes nothing."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum

from nvkeep.core.act import Actor
from nvkeep.core.observe import observe
from nvkeep.core.prospect import Prospect
from nvkeep.core.scope import Scope
from nvkeep.model.decision import Facts, Guard, Holder, decide
from nvkeep.model.history import Entry, percentiles
from nvkeep.model.plan import Plan
from nvkeep.model.role import Role


class Assumed(StrEnum):
    """What may be assumed of a service on this host."""

    TAKE = "take"  # whoever holds it is dead, and keepalived gives this host the role
    ACQUIRE = "acquire"  # it was released, and keepalived gives this host the role
    RELEASE = "release"  # somebody orders this host to release it
    LOSE = "lose"  # another host has taken it
    HEAR_NOTHING = "hear-nothing"  # keepalived hears nobody on any network, and the service answers
    HEAR_LESS = "hear-less"  # keepalived hears nobody on one of several networks
    BOOT = "boot"  # nothing is there yet, and keepalived gives this host the role
    UNPLUG = "unplug"  # the service network has no carrier


def _taken(facts: Facts) -> Facts:
    holder = facts.holder if facts.holder in (Holder.ANOTHER, Holder.UNTOLD) else Holder.ANOTHER
    return replace(facts, role=Role.MASTER, holder=holder, guard=Guard.SILENT, ours=False)


CHANGES: dict[Assumed, Callable[[Facts], Facts]] = {
    Assumed.TAKE: _taken,
    Assumed.ACQUIRE: lambda facts: replace(facts, role=Role.MASTER, holder=Holder.NOBODY, guard=Guard.SILENT),
    Assumed.RELEASE: lambda facts: replace(facts, release_why="ordered by hand (assumed)"),
    Assumed.LOSE: lambda facts: replace(facts, holder=Holder.ANOTHER, ours=True),
    Assumed.HEAR_NOTHING: lambda facts: replace(facts, role=Role.MASTER, guard=Guard.SERVED),
    Assumed.HEAR_LESS: lambda facts: replace(facts, role=Role.CANDIDATE),
    Assumed.BOOT: lambda facts: replace(facts, role=Role.MASTER, holder=Holder.NOBODY, ours=False),
    Assumed.UNPLUG: lambda facts: replace(facts, carrier=False, witness=False),
}


def consider(scope: Scope, assumed: Assumed) -> Prospect:
    """Look, assume, decide and plan. Changes nothing."""
    seen = observe(scope)
    observation = seen._replace(facts=CHANGES[assumed](seen.facts))
    if assumed is Assumed.BOOT:
        observation = observation._replace(seen=dict.fromkeys(seen.seen))
    verdict = decide(observation.facts)
    return Prospect(scope, verdict, observation, Actor(scope).plan(verdict, observation))


def predicted(plan: Plan, entries: Iterable[Entry]) -> float | None:
    """Predict how long the steps of a plan keep the service away, by the medians of this host's history.

    None where one was never made here. Kinds follow each other; what is of one kind goes side by side.
    """
    known = {spread.step: spread.median for spread in percentiles(entries, until_answer=True)}
    kinds = dict.fromkeys(f"{change.key.kind} {change.verb}" for change in plan.changes)
    taken = [known.get(kind) for kind in kinds]
    return None if None in taken else sum(filter(None, taken))
