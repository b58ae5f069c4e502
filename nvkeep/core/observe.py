"""What a decision rests on: everything is read again in every pass, and turned into Facts. Changes nothing."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from nvkeep import keepalived
from nvkeep.core.plan import Survey, survey
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.model.decision import Facts, Guard, Holder
from nvkeep.model.plan import Ref
from nvkeep.model.role import Role, Roles
from nvkeep.probes import carrier, unit, witness
from nvkeep.reconcilers.backends.base import Holding
from nvkeep.state import host as host_state

BY_HAND_S = 5.0  # keepalived must have been stopped before that is an order to release
CARRIER_DEADLINE_S = 2.0  # without a carrier after which this host releases; it takes nothing from the first moment
OBSERVED = "`mode: observe` in cluster.yaml: a pass says what it would do, and does nothing"
IO_DEADLINE_S = 10.0  # the own volume may do no I/O before this host releases it

Answer = TypeVar("Answer")
Otherwise = TypeVar("Otherwise")


class Holders(NamedTuple):
    """Who holds the volumes, the versions of others' reservations, why that is unknown, and who the other host is."""

    holder: Holder
    versions: Mapping[Ref, int | None]
    unknown: str
    by: str

    @property
    def reserved(self) -> str:
        """Name the reservations that others hold, where the storage numbers them."""
        return " ".join(f"{key}={version}" for key, version in sorted(self.versions.items()))


NOBODY, NO_ANSWER = Holders(Holder.NOBODY, {}, "", ""), Roles()


class Asked(NamedTuple):
    """The role of this host: ordered for this pass, set by hand until it is unset, or else what keepalived answered."""

    role: Role
    roles: Roles = NO_ANSWER
    ordered: bool = False
    by_hand: bool = False

    @property
    def manual(self) -> bool:
        """Whether keepalived was not asked."""
        return self.ordered or self.by_hand


class Observation(NamedTuple):
    """What was seen at one moment, and what it means.

    `problems`: what cannot be read or recorded, or does not fit, and what to type; with one of them this host gets no role.
    `unwritable`: why nothing can be recorded, which is no problem of a holder; `io_bad_since`, `carrier_lost_since`: seconds
    since boot, 0 while it is well.
    """

    facts: Facts
    seen: Survey
    asked: Asked
    problems: tuple[str, ...] = ()
    holders: Holders = NOBODY
    unwritable: str = ""
    io_bad_since: float = 0.0
    carrier_lost_since: float = 0.0
    at: float = float("-inf")  # when it began, seconds since boot


def observe(
    scope: Scope, *, assumed: Role | None = None, denied: bool = False, guard: Guard = Guard.UNASKED, anew: bool = True
) -> Observation:
    """Look at everything a decision rests on. Changes nothing.

    `assumed`: the role ordered for this pass; `denied`: another host was given a volume that this pass has asked for; `anew`:
    keepalived is asked in any case.
    """
    if scope.blind:
        return _blind(scope, assumed or Role.BACKUP)
    problems: list[str] = []
    began = scope.host.now()
    seen = survey(scope.host, scope.resources)
    holders = _holders(scope, seen, denied=denied)
    asked = _asked(scope, assumed, problems, anew=anew)
    now = scope.host.now()
    untold = holders.holder is Holder.UNTOLD and not asked.manual and not scope.store.claimed()  # a claimed one only came off
    if untold and scope.store.timers().denied(asked.role, now):
        holders = holders._replace(holder=Holder.ANOTHER)
    io_since, carrier_since = _io_bad_since(scope, holders.holder, seen), _carrier_lost_since(scope)
    facts = Facts(
        role=asked.role,
        holder=holders.holder,
        ours=scope.store.claimed() or any(resource.ours(seen[resource.key]) for resource in scope.resources),
        release_why=_release_order(scope, problems) or ("" if asked.manual else _stopped(scope, asked.roles)),
        carrier=not carrier_since or now - carrier_since < CARRIER_DEADLINE_S,
        io=not io_since or now - io_since < IO_DEADLINE_S,
        witness=not carrier_since and witness.answers(scope.host, scope.spec),
        fenced=scope.fencing(asked.role).bars,
        cooling="" if asked.manual else scope.cooling(),
        guard=guard,
        waited=not asked.manual and _waited(scope, asked.roles, holders.reserved, now),
        maintenance=_maintained(scope, problems),
    )
    unwritable = _unwritable(scope, holders.holder, problems)
    return Observation(facts, seen, asked, tuple(problems), holders, unwritable, io_since, carrier_since, began)


def _blind(scope: Scope, role: Role) -> Observation:
    nothing = dict.fromkeys(resource.key for resource in scope.resources)
    return Observation(Facts(role, Holder.NOBODY), nothing, Asked(role))


def _unwritable(scope: Scope, holder: Holder, problems: list[str]) -> str:
    """Say why nothing can be recorded; a holder keeps serving, and only says so."""
    finding = host_state.unwritable(scope.host)
    problems += [str(finding)] if finding and holder is not Holder.ME else []
    return str(finding or "")


def _readable(read: Callable[[], Answer], otherwise: Otherwise, problems: list[str]) -> Answer | Otherwise:
    """Read what was ordered by hand; what cannot be read is a problem: it lets nothing go, and stops no repair."""
    try:
        return read()
    except ProbeError as error:
        problems.append(str(error))
        return otherwise


def _asked(scope: Scope, assumed: Role | None, problems: list[str], *, anew: bool) -> Asked:
    """Determine the role; one that was set by hand and cannot be read is none, and stops nothing that has to be released."""
    if assumed:
        return Asked(assumed, ordered=True)
    if manual := _readable(scope.store.manual_role, Role.NONE, problems):
        return Asked(manual, by_hand=True)
    roles = keepalived.ask(scope.host, anew=anew)
    if roles.why == keepalived.ONLY_ROOT:  # to others keepalived's last answer to a pass must do: no role is an alarm
        roles = host_state.last_roles(scope.host)
    wanted = keepalived.instances(scope.cluster, scope.service, scope.host.name)
    missing = [name for name in wanted if name not in dict(roles.words)] if roles.words else []
    problems += [f"keepalived does not know {name}; {keepalived.FIX}" for name in missing[:1]]
    return Asked(roles.of(wanted), roles)


def _holders(scope: Scope, seen: Survey, *, denied: bool) -> Holders:
    holdings: dict[Ref, Holding] = {}
    unknown = ""
    for volume in scope.volumes:
        try:
            holdings[volume.key] = volume.holder(scope.host)
        except (ProbeError, OSError) as error:
            unknown = str(error)
    words = [holding.holder for holding in holdings.values()]
    versions = {key: holding.version for key, holding in holdings.items() if holding.holder is not Holder.ME}
    usable = all(getattr(seen[volume.key], "io", False) for volume in scope.volumes)
    by = next((holding.by for holding in holdings.values() if holding.holder is Holder.ANOTHER and holding.by), "")
    merged = merge_holders(words, whole=not unknown, ours=scope.store.claimed(), usable=usable)
    return Holders(Holder.ANOTHER if denied and merged is not Holder.UNKNOWN else merged, versions, unknown, by)


def _carrier_lost_since(scope: Scope) -> float:
    served = {address.interface for address in scope.spec.addresses}
    beats = {beat.interface for beat in scope.cluster.hosts[scope.host.name].heartbeats}
    if any(carrier.up(scope.host, interface) for interface in served or beats):
        return 0.0
    return scope.store.timers().carrier_lost_since or scope.host.now()


def _io_bad_since(scope: Scope, holder: Holder, seen: Survey) -> float:
    """Give the time since which the own volume has done nothing, or could not be asked any more."""
    idle = not all(getattr(seen[volume.key], "io", True) for volume in scope.volumes)
    if not (holder is Holder.ME and idle) and not (holder is Holder.UNKNOWN and scope.store.claimed()):
        return 0.0
    return scope.store.timers().io_bad_since or scope.host.now()


def _release_order(scope: Scope, problems: list[str]) -> str:
    """Say what was ordered here that lets the service go; empty when nothing was."""
    if host_state.leaving(scope.host):
        return "this host is going down"
    if scope.timestamps.moving():
        return "it is being moved to another host"
    order = _readable(partial(scope.overrides.release_order, scope.service), "", problems)
    held = None if order else _readable(scope.store.held, None, problems)
    return f"held since {held.since}: {held.why}; when it is fixed: nvkeep reset {scope.service}" if held else order


def _maintained(scope: Scope, problems: list[str]) -> str:
    if scope.spec.mode == "observe":
        return OBSERVED
    return "" if host_state.leaving(scope.host) else _readable(partial(scope.overrides.maintained, scope.service), "", problems)


def _stopped(scope: Scope, roles: Roles) -> str:
    """Say that keepalived was stopped by hand, which is an order; killed or failed is not one."""
    if roles.words:
        return ""
    try:
        seen = unit.read(scope.host, "keepalived.service")
    except ProbeError:
        return ""
    ran = seen.inactive_since > 0  # since this host booted: where keepalived is not enabled, it has not yet
    stopped = ran and seen.active == "inactive" and not seen.job and scope.host.now() - seen.inactive_since > BY_HAND_S
    stopped = stopped and scope.timestamps.started() < seen.inactive_since  # the later order counts
    return "keepalived is stopped here; systemctl start keepalived" if stopped else ""


def _waited(scope: Scope, roles: Roles, reserved: str, now: float) -> bool:
    """Return whether this host backed off, has listened and heard nobody, and nothing shows whether the holder serves."""
    timers = scope.store.timers()
    silent = scope.adverts(roles) == timers.adverts  # one that says it goes (priority 0) makes this host master, and is heard
    return silent and not scope.vouched and timers.backoff.waited_for(reserved, now)


def merge_holders(words: list[Holder], *, whole: bool, ours: bool, usable: bool) -> Holder:
    """Merge the holders of all volumes of a service; another host's word counts even where the rest is unknown.

    `ours`: this boot has taken the service; then a volume that came off is drift. A host that has not, and whose attachment
    does no I/O, does not hold: that is what is left of an earlier boot.
    """
    if Holder.ANOTHER in words:
        return Holder.ANOTHER
    if not whole:
        return Holder.UNKNOWN
    if Holder.ME in words and (ours or (usable and set(words) == {Holder.ME})):
        return Holder.ME
    return Holder.UNTOLD if Holder.UNTOLD in words or Holder.ME in words else Holder.NOBODY
