"""What a decision rests on: everything is read again in every pass, and turned into Facts. Changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from nvkeep import keepalived
from nvkeep.core.plan import Survey, survey
from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Facts, Guard, Holder
from nvkeep.model.fencing import Fencing, listen
from nvkeep.model.plan import Ref, State, Unknown
from nvkeep.model.role import Role, Roles
from nvkeep.model.spec import Cluster
from nvkeep.probes import carrier, unit, witness
from nvkeep.reconcilers import Resource, equipped, resources, volumes
from nvkeep.reconcilers.backends.base import Holding
from nvkeep.state import host as host_state
from nvkeep.state.orders import Overrides, Timestamps
from nvkeep.state.service import Store

BY_HAND = 5.0  # seconds keepalived must have been stopped before that is an order to release
CARRIER_DEADLINE = 2.0  # seconds without a carrier after which this host releases; it takes nothing from the first moment
IO_DEADLINE = 10.0  # seconds the own volume may do no I/O before this host releases it


@dataclass(frozen=True)
class Observation:
    """What one look found, and what it means. `io_bad_since`: seconds since boot, 0 while the volume does I/O."""

    facts: Facts
    seen: Survey
    versions: dict[Ref, int | None]
    unknown: str = ""
    by: str = ""
    io_bad_since: float = 0.0
    carrier_lost_since: float = 0.0

    @property
    def holders(self) -> str:
        """Name the reservations that others hold, where the storage numbers them."""
        return " ".join(f"{key}={version}" for key, version in sorted(self.versions.items()))


class Observer:
    """Looks at one service on one host. `denied` and `assumed` are what a pass has learned, or was given, since.

    A `blind` one looks at nothing: it sees a host with nothing on it, and volumes that nobody holds.
    """

    def __init__(self, host: Host, cluster: Cluster, service: str, *, blind: bool = False) -> None:
        self.host = host
        self.cluster = cluster
        self.service = service
        self.spec = cluster.services[service]
        self.store, self.timestamps = Store(host, service), Timestamps(host, service)
        needed = resources(cluster, service, host.name)
        self.resources = needed if blind else tuple(equipped(host, one) for one in needed)
        self.blind = blind
        self.volumes = volumes(self.resources)
        self.roles = Roles()
        self.outdated = ""
        self.witness = (float("-inf"), False)  # when it was asked, and whether it answered
        self.unwritable = ""
        self.denied = False
        self.assumed: Role | None = None

    def look(self, asked: Guard = Guard.UNASKED) -> Observation:
        """Look at everything a decision rests on."""
        if self.blind:
            nothing = dict.fromkeys(one.key for one in self.resources)
            return Observation(Facts(self.assumed or Role.BACKUP, Holder.NOBODY), nothing, {})
        seen = survey(self.host, self.resources)
        holder, versions, unknown, by = self._holder(seen)
        manual = self.assumed or self._manual()
        role, now = self._role(manual), self.host.now()
        self._recordable(holder)
        io_since, carrier_since = self._io_bad_since(holder, seen), self._carrier_lost_since()
        facts = Facts(
            role=role,
            holder=holder,
            ours=self.store.claimed() or any(_shows_ours(one, seen[one.key]) for one in self.resources),
            told=self._told(manual),
            carrier=not carrier_since or now - carrier_since < CARRIER_DEADLINE,
            io=not io_since or now - io_since < IO_DEADLINE,
            witness=not carrier_since and self._witnessed(now),
            fenced=self.fencing(role).bars,
            cooling="" if manual else self.cooling(),
            guard=asked,
            maintenance="" if host_state.leaving(self.host) else self._readable(Overrides(self.host).maintained),
        )
        observation = Observation(facts, seen, versions, unknown, by, io_since, carrier_since)
        return replace(observation, facts=replace(facts, waited=not manual and self._waited(observation, now)))

    def _role(self, manual: Role | None) -> Role:
        if manual is not None:
            return manual
        self.roles = keepalived.ask(self.host)
        if self.roles.why == keepalived.ONLY_ROOT:  # to others keepalived's last answer to a pass must do: no role is an alarm
            self.roles = host_state.last_roles(self.host)
        wanted = keepalived.instances(self.cluster, self.service, self.host.name)
        missing = [name for name in wanted if name not in dict(self.roles.words)] if self.roles.words else []
        self.outdated = f"keepalived does not know {missing[0]}; {keepalived.FIX}" if missing else ""
        return self.roles.of(wanted)

    def _manual(self) -> Role | None:
        """Read the role set by hand; one that cannot be read is no role, and stops nothing that has to be released."""
        try:
            return self.store.manual_role()
        except ProbeError as error:
            self.outdated = str(error)
            return Role.NONE

    def _recordable(self, holder: Holder) -> None:
        """Where nothing can be recorded, this host takes nothing; one that holds keeps serving, and says so."""
        self.unwritable = host_state.unwritable(self.host)
        if holder is not Holder.ME:
            self.outdated = self.outdated or self.unwritable

    def _holder(self, seen: Survey) -> tuple[Holder, dict[Ref, int | None], str, str]:
        holdings: dict[Ref, Holding] = {}
        unknown = ""
        for one in self.volumes:
            try:
                holdings[one.key] = one.holder(self.host)
            except (ProbeError, OSError) as error:
                unknown = str(error)
        words = [holding.holder for holding in holdings.values()]
        versions = {key: holding.version for key, holding in holdings.items() if holding.holder is not Holder.ME}
        usable = all(getattr(seen[one.key], "io", False) for one in self.volumes)
        by = next((holding.by for holding in holdings.values() if holding.holder is Holder.ANOTHER and holding.by), "")
        merged = merge_holders(words, whole=not unknown, ours=self.store.claimed(), usable=usable)
        return Holder.ANOTHER if self.denied and merged is not Holder.UNKNOWN else merged, versions, unknown, by

    def _carrier_lost_since(self) -> float:
        served = {address.interface for address in self.spec.addresses}
        beats = {beat.interface for beat in self.cluster.hosts[self.host.name].heartbeats}
        if any(carrier.up(self.host, interface) for interface in served or beats):
            return 0.0
        return self.store.timers().carrier_lost_since or self.host.now()

    def _witnessed(self, now: float) -> bool:
        """Ask the witnesses, unless that was done a moment ago in this very pass."""
        if now - self.witness[0] > 2 * self.cluster.timing.advert:
            self.witness = (self.host.now(), witness.answers(self.host, self.spec))
        return self.witness[1]

    def _io_bad_since(self, holder: Holder, seen: Survey) -> float:
        """Tell since when the own volume has done nothing, or could not be asked any more."""
        idle = not all(getattr(seen[one.key], "io", True) for one in self.volumes)
        if not (holder is Holder.ME and idle) and not (holder is Holder.UNKNOWN and self.store.claimed()):
            return 0.0
        return self.store.timers().io_bad_since or self.host.now()

    def _told(self, manual: Role | None) -> str:
        """Say why this host has to release; empty when it has not."""
        if host_state.leaving(self.host):
            return "this host is going down"
        if self.timestamps.moving():
            return "it is being moved to another host"
        return self._readable(Overrides(self.host).told) or self._held() or ("" if manual else self._stopped())

    def _readable(self, ordered: Callable[[str], str]) -> str:
        """Say what was ordered by hand; what cannot be read keeps from taking, lets nothing go, and stops no repair."""
        try:
            return ordered(self.service)
        except ProbeError as error:
            self.outdated = str(error)
            return ""

    def _stopped(self) -> str:
        """Return whether keepalived was stopped by hand, which is an order; killed or failed is not one."""
        if self.roles.words:
            return ""
        try:
            seen = unit.read(self.host, "keepalived.service")
        except ProbeError:
            return ""
        ran = seen.inactive_since > 0  # since this host booted: where keepalived is not enabled, it has not yet
        stopped = ran and seen.active == "inactive" and not seen.job and self.host.now() - seen.inactive_since > BY_HAND
        stopped = stopped and self.timestamps.started() < seen.inactive_since  # the later order counts
        return "keepalived is stopped here; systemctl start keepalived" if stopped else ""

    def _held(self) -> str:
        """Say why the service is held here; a record that cannot be read keeps from taking, and is no reason to release."""
        try:
            held = self.store.held()
        except ProbeError as error:
            self.outdated = str(error)
            return ""
        return f"held since {held.since}: {held.why}; when it is fixed: nvkeep reset {self.service}" if held else ""

    def _waited(self, observation: Observation, now: float) -> bool:
        """Return whether this host backed off for this holder and has listened since, and only the address says who serves."""
        return self.spec.health is None and self.store.timers().backoff.waited_for(observation.holders, now)

    def cooling(self) -> str:
        """Say what failed here so lately that this host does not try again yet."""
        timers = self.store.timers()
        return timers.cooling_why if self.host.now() < timers.cooling_until else ""

    def fencing(self, role: Role) -> Fencing:
        """Advance the fencing record by what is heard now."""
        return listen(self.store.fencing(), role, self.host.now(), self.cluster.timing.master_down)


def _shows_ours(resource: Resource, have: State) -> bool:
    return not isinstance(have, Unknown) and resource.kind.ours(resource.spec, have)


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
