"""survey and plan: from what is there to what would be run. Changes nothing; the dry run stops here."""

from collections.abc import Iterable, Mapping, Sequence

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.plan import Change, Plan, Ref, State, Unknown, Verb, Want
from nvkeep.model.report import Outcome, Word
from nvkeep.reconcilers import Resource

Survey = Mapping[Ref, State]


def look(host: Host, resource: Resource) -> object | None:
    """Look at one resource; None = absent. Raises ProbeError."""
    try:
        seen: object | None = resource.kind.observe(host, resource.spec)
    except OSError as error:
        raise ProbeError(str(error)) from error
    return seen


def observe(host: Host, resource: Resource) -> State:
    """Look at one resource; what cannot be determined is Unknown."""
    try:
        return look(host, resource)
    except ProbeError as error:
        return Unknown(str(error))


def survey(host: Host, resources: Iterable[Resource]) -> Survey:
    """Look at everything once. Changes nothing."""
    return {resource.key: observe(host, resource) for resource in resources}


def make_plan(
    resources: Sequence[Resource],
    seen: Survey,
    want: Want,
    versions: Mapping[Ref, int | None] | None = None,
    stale: frozenset[str] = frozenset(),
) -> Plan:
    """Turn what was seen into changes. Pure.

    `versions`: the volumes to seize, by the reservation version that was read; `stale`: what is left of an earlier boot, and
    has to go before it is taken again.
    """
    unknown = _unknown(resources, {key for key, state in seen.items() if isinstance(state, Unknown)}, want)
    waiting = tuple((key, _why_waiting(seen[key])) for key in unknown)
    known = [resource for resource in resources if resource.key not in unknown]
    if want is not Want.HERE:
        return Plan(down=_leaving(known, seen, want), waiting=waiting)
    fresh = _tainted(
        known,
        {resource.key for resource in known if resource.key in stale or _needs_fresh_start(resource, seen[resource.key])},
        upward=True,
    )
    there = [(resource, seen[resource.key]) for resource in reversed(known) if resource.key in fresh]
    down = tuple(
        leave(resource, have, Verb.RELEASE, _why_fresh(resource, have)) for resource, have in there if have is not None
    )
    up = tuple(
        filter(
            None,
            (arrive(resource, None if resource.key in fresh else seen[resource.key], versions or {}) for resource in known),
        )
    )
    return Plan(down, up, waiting)


def _unknown(resources: Sequence[Resource], keys: set[Ref], want: Want) -> set[Ref]:
    """Pick what has to wait for what is unknown; a host that isolates itself only keeps a volume that may be mounted."""
    if want is not Want.ISOLATED:
        return _tainted(resources, keys, upward=want is Want.HERE)
    return keys | _tainted(resources, {resource.key for resource in resources if resource.kind.keeps} & keys, upward=False)


def _tainted(resources: Sequence[Resource], keys: set[Ref], *, upward: bool) -> set[Ref]:
    """Add what stands on these keys; downward: what these keys stand on, because they keep it."""
    tainted = set(keys)
    for resource in resources if upward else reversed(resources):
        if upward and resource.needs & tainted:
            tainted.add(resource.key)
        if not upward and resource.key in tainted:
            tainted |= resource.needs
    return tainted


def _why_waiting(state: State) -> str:
    return state.why if isinstance(state, Unknown) else "waits for what is unknown"


def _needs_fresh_start(resource: Resource, have: State) -> bool:
    return (
        have is not None and have != resource.kind.desired(resource.spec) and resource.kind.adjust(resource.spec, have) is None
    )


def _why_fresh(resource: Resource, have: State) -> str:
    broken = resource.broken(have)
    return f"needs a fresh start{': ' if broken else ''}{broken}"


def _leaving(known: Sequence[Resource], seen: Survey, want: Want) -> tuple[Change, ...]:
    present = [resource for resource in reversed(known) if seen[resource.key] is not None]
    if want is Want.GONE:
        return tuple(leave(resource, seen[resource.key], Verb.RELEASE, "not to be on this host") for resource in present)
    in_turn = sorted(present, key=lambda resource: resource.kind.turn)
    changes = [leave(resource, seen[resource.key], Verb.ISOLATE, "the volume is another host's") for resource in in_turn]
    cuts = filter(None, (_cut(resource, seen[resource.key]) for resource in present))
    reached = sum(not resource.kind.turn for resource in in_turn)
    # Clients first; then I/O that waits: neither a kill nor an umount shall wait for it.
    return (*changes[:reached], *cuts, *changes[reached:])


def _cut(resource: Resource, have: State) -> Change | None:
    steps = resource.kind.cut(resource.spec, have)
    return (
        Change(resource.key, Verb.CUT, steps, "its I/O waits for ever, and so would everything that stands on it")
        if steps
        else None
    )


def leave(resource: Resource, have: State, verb: Verb, why: str) -> Change:
    """Plan one change downward."""
    act = resource.kind.isolate if verb is Verb.ISOLATE else resource.kind.release
    return Change(resource.key, verb, act(resource.spec, have), why)


def arrive(resource: Resource, have: State, versions: Mapping[Ref, int | None]) -> Change | None:
    """Plan one change upward; None when it is there as desired."""
    if have is None and resource.key in versions:
        return Change(
            resource.key,
            Verb.SEIZE,
            resource.kind.seize(resource.spec, versions[resource.key]) or (),
            "no host serves it any more",
        )
    if have is None:
        return Change(resource.key, Verb.ACQUIRE, resource.kind.acquire(resource.spec), "absent")
    wanted = resource.kind.desired(resource.spec)
    if have == wanted:
        return None
    return Change(resource.key, Verb.ADJUST, resource.kind.adjust(resource.spec, have) or (), f"is {have}, should be {wanted}")


def left_alone(every: Iterable[Resource], seen: Survey) -> tuple[Outcome, ...]:
    """Say how resources stand that nothing is done about: what is there, where nothing is wanted, has drifted."""
    return tuple(_left_alone(resource, seen[resource.key]) for resource in every)


def _left_alone(resource: Resource, have: State) -> Outcome:
    if isinstance(have, Unknown):
        return Outcome(resource.key, Word.UNKNOWN, have.why)
    return Outcome(resource.key, Word.IN_SYNC if have is None else Word.DRIFTED, "" if have is None else "left alone")
