"""What a pass would do, in lines: the decision, each change with its commands, and what has to wait."""

from collections.abc import Iterable, Iterator

from nvkeep.core.prospect import Prospect
from nvkeep.host import lines as cut
from nvkeep.model.plan import WANT, Unknown, Want


def lines(prospect: Prospect, drift: Iterable[str] = ()) -> Iterator[str]:
    """Write it; `drift`: what differs, in words, where that is asked for."""
    scope, verdict, _, plan = prospect
    yield f"{scope.service} on {scope.host.name}: {verdict.action}: {verdict.why} (line {verdict.line})"
    yield from drift
    for change in plan.changes:
        yield f"  {change.verb:<8} {change.key}: {change.why}"
        yield from (f"           {step}" for step in change.steps)
    yield from (f"  wait     {key}: {why}" for key, why in plan.waiting)
    if not plan.changes and not plan.waiting:
        yield "  nothing to do"


def drift(prospect: Prospect) -> Iterator[str]:
    """Say what differs from what is desired."""
    from nvkeep.model import drift  # noqa: PLC0415 - deepdiff costs a third of a pass; only people who ask for it pay

    seen, want = prospect.observation.seen, WANT.get(prospect.verdict.action)
    here = want is Want.HERE
    known = [resource for resource in prospect.scope.resources if not isinstance(seen[resource.key], Unknown)]
    desired = {resource.key: resource.kind.desired(resource.spec) if here else None for resource in known}
    observed = {key: seen[key] for key in desired}
    differing = [key for key in desired if want and desired[key] != observed[key]]
    yield from (f"  drift    {drift.words(key, desired[key], observed[key])}" for key in differing)
    yield from (f"    {line}" for line in cut(drift.tree(desired, observed) if differing else ""))
