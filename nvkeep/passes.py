"""One pass over one service: look, decide, act, record, set the flag. Agent, timer and administrator run the same."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from nvkeep import guard, keepalived, log, state
from nvkeep.engine import Engine, Survey, Want, make_plan, survey
from nvkeep.errors import Lost, NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Action, Facts, Guard, Holder, Standing, Verdict, decide, eligible
from nvkeep.model.loss import Loss, listen, lose
from nvkeep.model.plan import Plan
from nvkeep.model.report import Outcome, Report, Word
from nvkeep.model.role import Role, Roles
from nvkeep.model.spec import Cluster
from nvkeep.probes import carrier, unit
from nvkeep.reconcilers import MOUNT, VOLUME, Resource, resources
from nvkeep.reconcilers.backends.base import Holding

BY_HAND = 5.0  # seconds keepalived must have been stopped before that is an order to let go
ANNOUNCE_AGAIN = 5.0  # seconds after which the neighbours are told a second time
ROUNDS = 4  # a pass may change its mind: denied -> guard -> seize -> lost -> isolate
WANT = {
    Action.ISOLATE: Want.CUT_OFF,
    Action.RELEASE: Want.GONE,
    Action.REST: Want.GONE,
    Action.SERVE: Want.HERE,
    Action.ACQUIRE: Want.HERE,
    Action.SEIZE: Want.HERE,
}


@dataclass(frozen=True)
class Sight:
    """What one look found, and what it means."""

    facts: Facts
    seen: Survey
    versions: dict[str, int | None]
    unknown: str = ""
    by: str = ""


class Pass:
    """One pass over one service on one host; holds the lock of the service while it runs."""

    def __init__(self, host: Host, cluster: Cluster, service: str) -> None:
        self.host = host
        self.cluster = cluster
        self.service = service
        self.spec = cluster.services[service]
        self.store = state.Store(host, service)
        self.resources = resources(cluster, service, host.name)
        self.volumes = [one for one in self.resources if one.kind is VOLUME]
        self.roles = Roles()
        self.denied = False
        self.assumed: Role | None = None

    # --- look ---------------------------------------------------------------------------------------------------------

    def look(self, asked: Guard = Guard.UNASKED) -> Sight:
        """Look at everything a decision rests on. Changes nothing."""
        seen = survey(self.host, self.resources)
        holder, versions, unknown, by = self._holder(seen)
        role, carrier_up = self._role(), self._carrier()
        facts = Facts(
            role=role,
            holder=Holder.ANOTHER if self.denied and holder in (Holder.UNTOLD, Holder.NOBODY) else holder,
            ours=self.store.claimed() or any(self._calls_ours(one, seen[one.key]) for one in self.resources),
            told=self._told(),
            carrier=carrier_up,
            witness=carrier_up,
            loss=self.loss(role).count > 0,
            guard=asked,
        )
        return Sight(facts, seen, versions, unknown, by)

    def consider(self, role: Role | None, *, guarding: bool = True) -> tuple[Verdict, Sight]:
        """Look and decide as a pass would, and stop there; `role` is assumed if given. Changes nothing."""
        self.assumed = role
        sight = self.look()
        return self._decide(sight) if guarding else (decide(sight.facts), sight)

    def _role(self) -> Role:
        manual = self.assumed or self.store.manual_role()
        if manual is not None:
            return manual
        self.roles = keepalived.ask(self.host)
        return self.roles.of(keepalived.instances(self.cluster, self.service, self.host.name))

    def _holder(self, seen: Survey) -> tuple[Holder, dict[str, int | None], str, str]:
        holdings: dict[str, Holding] = {}
        unknown = ""
        for one in self.volumes:
            try:
                holdings[one.key] = VOLUME.holder(self.host, one.spec)
            except (ProbeError, OSError) as error:
                unknown = str(error)
        words = [holding.holder for holding in holdings.values()]
        versions = {key: holding.version for key, holding in holdings.items() if holding.holder is not Holder.ME}
        usable = all(getattr(seen[one.key], "io", False) for one in self.volumes)
        by = next((holding.by for holding in holdings.values() if holding.holder is Holder.ANOTHER and holding.by), "")
        return merge_holders(words, whole=not unknown, ours=self.store.claimed(), usable=usable), versions, unknown, by

    def _calls_ours(self, one: Resource, have: object) -> bool:
        if one.kind is VOLUME:
            return getattr(have, "mode", None) in ("exclusive", "preempted")
        return one.kind is MOUNT and getattr(have, "device", None) == one.spec.device

    def _carrier(self) -> bool:
        served = {address.interface for address in self.spec.addresses}
        beats = {beat.interface for beat in self.cluster.hosts[self.host.name].heartbeats}
        return any(carrier.up(self.host, interface) for interface in served or beats)

    def _told(self) -> str:
        """Keepalived that was stopped by hand is an order to let go; one that was killed or failed is not."""
        if self.roles.words or self.assumed or self.store.manual_role() is not None:
            return ""
        try:
            seen = unit.read(self.host, "keepalived.service")
        except ProbeError:
            return ""
        stopped = seen.active == "inactive" and not seen.job and self.host.now() - seen.inactive_since > BY_HAND
        return "keepalived is stopped here; systemctl start keepalived" if stopped else ""

    def loss(self, role: Role) -> Loss:
        """Advance the loss on record by what is heard now."""
        return listen(self.store.loss(), role, self.host.now(), self.cluster.timing.master_down)

    # --- decide and act -----------------------------------------------------------------------------------------------

    def run(self) -> Report:
        """Make the pass. Raises Busy when another one does not end."""
        with self.store.lock():
            return self._run()

    def _run(self) -> Report:
        sight = self.look()
        for _ in range(ROUNDS):
            verdict, sight = self._decide(sight)
            outcomes = self._act(verdict, sight)
            again = self._changed_mind(verdict, outcomes)
            if not again:
                break
            sight = self.look()
        return self._close(verdict, sight, outcomes)

    def _decide(self, sight: Sight) -> tuple[Verdict, Sight]:
        verdict = decide(sight.facts)
        if verdict.action is not Action.GUARD:
            return verdict, sight
        try:
            answer = guard.ask(self.host, self.spec, self.cluster.timing)
        except ProbeError as error:
            return Verdict(verdict.line, Action.WAIT, str(error)), sight
        later = self.look(answer)  # role and holder are older than the guard took: they are asked again before a seize
        return decide(later.facts), later

    def _act(self, verdict: Verdict, sight: Sight) -> tuple[Outcome, ...]:
        want = WANT.get(verdict.action)
        if want is None:
            return _left_alone(self.resources, sight)
        versions = sight.versions if verdict.action is Action.SEIZE else None
        plan = make_plan(self.resources, sight.seen, want, versions)
        if plan.moves:
            log.note(
                f"{self.service}: line {verdict.line}: {verdict.action}: {verdict.why}",
                line=verdict.line,
                service=self.service,
            )
        outcomes = self._engine(want).run(self.resources, plan)
        self._record(verdict, outcomes, moved=bool(plan.moves))
        return outcomes

    def _engine(self, want: Want) -> Engine:
        still = self._still if want is Want.HERE else lambda: None
        return Engine(self.host, self.service, self.cluster.timing.step, still)

    def _still(self) -> None:
        """Stop a pass at once when a volume it stands on was taken. Raises Lost."""
        for one in self.volumes:
            if getattr(VOLUME.observe(self.host, one.spec), "mode", None) == "preempted":
                raise Lost(f"{one.key} was taken by another host")

    def _record(self, verdict: Verdict, outcomes: tuple[Outcome, ...], *, moved: bool) -> None:
        if verdict.action is Action.ISOLATE:
            self._record_loss()
        elif WANT[verdict.action] is Want.GONE:
            if all(one.word in (Word.IN_SYNC, Word.CONVERGED) for one in outcomes if one.key.startswith("volume ")):
                self.store.claim(held=False)
        elif all(one.word in (Word.IN_SYNC, Word.CONVERGED) for one in outcomes if one.key.startswith("volume ")):
            self._record_hold(taken=verdict.action is not Action.SERVE, moved=moved)

    def _record_loss(self) -> None:
        loss = self.store.loss()
        if self.store.claimed() or not loss.count:
            with self._tolerant("the loss"):
                self.store.save_loss(lose(loss, self.host.now()))
        self.store.claim(held=False)

    def _record_hold(self, *, taken: bool, moved: bool) -> None:
        self.store.claim(held=True)
        with self._tolerant("that a loss is over"):
            self.store.save_loss(Loss())
        if taken or moved:
            self.store.save_spell(replace(self.store.spell(), yielding=False, announce_at=self.host.now() + ANNOUNCE_AGAIN))

    @contextmanager
    def _tolerant(self, what: str) -> Iterator[None]:
        """Go on serving when a record cannot be written (a full or read-only disk); it is said, not hidden."""
        try:
            yield
        except OSError as error:
            log.note(f"{self.service}: {what} could not be recorded: {error}", logging.ERROR, service=self.service)

    def _changed_mind(self, verdict: Verdict, outcomes: tuple[Outcome, ...]) -> bool:
        """Tell whether what happened calls for another decision in this very pass."""
        words = {outcome.word for outcome in outcomes}
        taking = verdict.action in (Action.ACQUIRE, Action.SEIZE, Action.SERVE)
        if taking and Word.DENIED in words:
            first, self.denied = not self.denied, True
            self._let_go(outcomes)
            return first
        if taking and Word.LOST in words:
            return True
        if taking and words & {Word.FAILED, Word.STUCK}:
            self._give_up(outcomes)
        return False

    def _let_go(self, outcomes: tuple[Outcome, ...]) -> None:
        """All or none: what was taken before another volume was denied goes back."""
        if any(one.word is Word.CONVERGED for one in outcomes):
            self._engine(Want.GONE).run(self.resources, make_plan(self.resources, survey(self.host, self.resources), Want.GONE))

    def _give_up(self, outcomes: tuple[Outcome, ...]) -> None:
        """Release what was taken; a failure above the volume also keeps this host from trying for a while."""
        failed = next(one for one in outcomes if one.word in (Word.FAILED, Word.STUCK))
        log.note(f"{self.service}: giving up: {failed.key}: {failed.reason}", logging.ERROR, service=self.service)
        released = self._engine(Want.GONE).run(self.resources, self._plan_gone())
        if all(one.word in (Word.IN_SYNC, Word.CONVERGED) for one in released):
            self.store.claim(held=False)
        if not failed.key.startswith("volume "):
            until = self.host.now() + self.cluster.timing.cooldown
            why = f"{failed.key} failed here: {failed.reason}"
            self.store.save_spell(replace(self.store.spell(), cooling_until=until, cooling_why=why))

    def _plan_gone(self) -> Plan:
        return make_plan(self.resources, survey(self.host, self.resources), Want.GONE)

    # --- record and tell ----------------------------------------------------------------------------------------------

    def _close(self, verdict: Verdict, sight: Sight, outcomes: tuple[Outcome, ...]) -> Report:
        loss = self.loss(sight.facts.role)
        with self._tolerant("what was heard"):
            self.store.save_loss(loss)
        self._yielding(verdict, sight)
        up, why = eligible(sight.facts, self._standing(loss))
        self.store.save_flag(up=up)
        self._announce(outcomes)
        report = Report(
            service=self.service,
            line=verdict.line,
            did=str(verdict.action),
            why=sight.unknown or verdict.why,
            outcomes=outcomes,
            role=str(sight.facts.role),
            holder=str(Holder.ME if self.store.claimed() else sight.facts.holder),
            eligible=up,
            eligible_why=why,
            facts=asdict(sight.facts),
        )
        state.save_roles(self.host, self.roles)
        self.store.save_report(report)
        return report

    def _yielding(self, verdict: Verdict, sight: Sight) -> None:
        """Wait aside, after having been master of a service that another host serves, until that service falls silent."""
        spell = self.store.spell()
        if verdict.action is Action.YIELD:
            self.store.save_spell(replace(spell, yielding=True))
        elif spell.yielding and (sight.facts.holder is Holder.ME or self._silent()):
            self.store.save_spell(replace(spell, yielding=False))

    def _silent(self) -> bool:
        try:
            return guard.ask(self.host, self.spec, self.cluster.timing) is Guard.SILENT
        except ProbeError:
            return False

    def _standing(self, loss: Loss) -> Standing:
        spell = self.store.spell()
        return Standing(
            cooling=spell.cooling_why if self.host.now() < spell.cooling_until else "",
            yielding="another host serves, although keepalived does not hear it (split)" if spell.yielding else "",
            deaf="a volume was taken from this host; it listens again soon" if loss.deaf else "",
        )

    def _announce(self, outcomes: tuple[Outcome, ...]) -> None:
        """Tell the neighbours a second time, a while after the address came up."""
        spell = self.store.spell()
        here = all(one.word in (Word.IN_SYNC, Word.CONVERGED) for one in outcomes)
        if not (spell.announce_at and here and self.host.now() >= spell.announce_at):
            return
        self.store.save_spell(replace(spell, announce_at=0.0))
        for one in self.spec.addresses if self.store.claimed() else ():
            self.host.run(("nvkeep", "announce", one.interface, str(one.address.ip)), 5.0)


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


def _left_alone(every: tuple[Resource, ...], sight: Sight) -> tuple[Outcome, ...]:
    def one(resource: Resource) -> Outcome:
        have = sight.seen[resource.key]
        if isinstance(have, ProbeError):
            return Outcome(resource.key, Word.UNKNOWN, str(have))
        return Outcome(resource.key, Word.IN_SYNC if have is None else Word.DRIFTED, "" if have is None else "left alone")

    return tuple(one(resource) for resource in every)


def run_pass(host: Host, cluster: Cluster, service: str) -> Report:
    """Make one pass; always a Report, so that the trouble of one service is never another's. Raises PermissionError."""
    try:
        return Pass(host, cluster, service).run()
    except NvkeepError as error:
        why = str(error)
    except PermissionError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in nvkeep: told whole, and the next pass tries again
        why = f"a bug in nvkeep, please report it: {''.join(traceback.format_exception(error))}"
    log.note(f"{service}: {why}", logging.ERROR, service=service)
    return Report(service, 0, "nothing", why, (Outcome(service, Word.UNKNOWN, why),))
