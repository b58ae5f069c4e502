"""survey and plan: from what is there to what would be run. Changes nothing; the dry run stops here."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.plan import Change, Plan, Ref, State, Unknown, Verb
from nvkeep.model.report import Outcome, Word
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers import Resource, resources, volumes

Survey = Mapping[Ref, State]


class Want(StrEnum):
    """What a service is converged to."""

    HERE = "here"
    GONE = "gone"
    ISOLATED = "isolated"


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


def lost(host: Host, cluster: Cluster, service: str) -> bool:
    """Return whether a volume of a service is seen not to be this host's; what is unknown is not lost."""
    states = [(observe(host, one), one.kind.desired(one.spec)) for one in volumes(resources(cluster, service, host.name))]
    return any(seen != wanted and not isinstance(seen, Unknown) for seen, wanted in states)


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
    known = [one for one in resources if one.key not in unknown]
    if want is not Want.HERE:
        return Plan(down=_leaving(known, seen, want), waiting=waiting)
    fresh = _tainted(
        known, {one.key for one in known if one.key in stale or _needs_fresh_start(one, seen[one.key])}, upward=True
    )
    down = tuple(leave(one, seen[one.key], Verb.RELEASE, "needs a fresh start") for one in reversed(known)
                 if one.key in fresh and seen[one.key] is not None)  # fmt: skip
    up = tuple(filter(None, (arrive(one, None if one.key in fresh else seen[one.key], versions or {}) for one in known)))
    return Plan(down, up, waiting)


def _unknown(resources: Sequence[Resource], keys: set[Ref], want: Want) -> set[Ref]:
    """Pick what has to wait for what is unknown; a host that isolates itself only keeps a volume that may be mounted."""
    if want is not Want.ISOLATED:
        return _tainted(resources, keys, upward=want is Want.HERE)
    return keys | _tainted(resources, {one.key for one in resources if one.kind.keeps} & keys, upward=False)


def _tainted(resources: Sequence[Resource], keys: set[Ref], *, upward: bool) -> set[Ref]:
    """Add what stands on these keys; downward: what these keys stand on, because they keep it."""
    tainted = set(keys)
    for one in resources if upward else reversed(resources):
        if upward and one.needs & tainted:
            tainted.add(one.key)
        if not upward and one.key in tainted:
            tainted |= one.needs
    return tainted


def _why_waiting(state: State) -> str:
    return state.why if isinstance(state, Unknown) else "waits for what is unknown"


def _needs_fresh_start(one: Resource, have: State) -> bool:
    return have is not None and have != one.kind.desired(one.spec) and one.kind.adjust(one.spec, have) is None


def _leaving(known: Sequence[Resource], seen: Survey, want: Want) -> tuple[Change, ...]:
    present = [one for one in reversed(known) if seen[one.key] is not None]
    if want is Want.GONE:
        return tuple(leave(one, seen[one.key], Verb.RELEASE, "not to be on this host") for one in present)
    in_turn = sorted(present, key=lambda one: one.kind.turn)
    changes = [leave(one, seen[one.key], Verb.ISOLATE, "the volume is another host's") for one in in_turn]
    cuts = filter(None, (_cut(one, seen[one.key]) for one in present))
    reached = sum(not one.kind.turn for one in in_turn)
    # Clients first; then I/O that waits: neither a kill nor an umount shall wait for it.
    return (*changes[:reached], *cuts, *changes[reached:])


def _cut(one: Resource, have: State) -> Change | None:
    found = one.kind.cut(one.spec, have)
    return Change(one.key, Verb.CUT, found, "its I/O waits, and would let everything wait that stands on it") if found else None


def leave(one: Resource, have: State, verb: Verb, why: str) -> Change:
    """Plan one change downward."""
    act = one.kind.isolate if verb is Verb.ISOLATE else one.kind.release
    return Change(one.key, verb, act(one.spec, have), why)


def arrive(one: Resource, have: State, versions: Mapping[Ref, int | None]) -> Change | None:
    """Plan one change upward; None when it is there as desired."""
    if have is None and one.key in versions:
        return Change(
            one.key,
            Verb.SEIZE,
            one.kind.seize(one.spec, versions[one.key]) or (),
            "held by a host that no longer serves",
        )
    if have is None:
        return Change(one.key, Verb.ACQUIRE, one.kind.acquire(one.spec), "absent")
    wanted = one.kind.desired(one.spec)
    if have == wanted:
        return None
    return Change(one.key, Verb.ADJUST, one.kind.adjust(one.spec, have) or (), f"is {have}, should be {wanted}")


def left_alone(every: Iterable[Resource], seen: Survey) -> tuple[Outcome, ...]:
    """Say how resources stand that nothing is done about: what is there, where nothing is wanted, has drifted."""
    return tuple(_left_alone(one, seen[one.key]) for one in every)


def _left_alone(one: Resource, have: State) -> Outcome:
    if isinstance(have, Unknown):
        return Outcome(one.key, Word.UNKNOWN, have.why)
    return Outcome(one.key, Word.IN_SYNC if have is None else Word.DRIFTED, "" if have is None else "left alone")
