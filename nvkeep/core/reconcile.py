"""One pass over one service: look, decide, act, record, set the flag. Agent, timer and administrator run the same."""

import logging
import traceback
from contextlib import suppress
from dataclasses import asdict, replace
from enum import Enum, auto

from nvkeep import log
from nvkeep.core import liveness
from nvkeep.core.bookkeeping import Bookkeeping
from nvkeep.core.engine import Engine
from nvkeep.core.observe import IO_DEADLINE_S, Observation, observe
from nvkeep.core.plan import Want, left_alone, make_plan, survey
from nvkeep.core.scope import Scope
from nvkeep.errors import Lost, NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Action, Guard, Holder, Verdict, decide
from nvkeep.model.plan import Plan
from nvkeep.model.report import SETTLED, Outcome, Report, Word
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.model.timers import at_limit
from nvkeep.reconcilers import VOLUME, Resource
from nvkeep.state import host as host_state

ROUNDS = 4  # a pass may change its mind: denied -> guard -> seize -> lost -> isolate
WANT = {
    Action.ISOLATE: Want.ISOLATED,
    Action.RELEASE: Want.GONE,
    Action.REST: Want.GONE,
    Action.YIELD: Want.GONE,
    Action.SERVE: Want.HERE,
    Action.ACQUIRE: Want.HERE,
    Action.SEIZE: Want.HERE,
}


class After(Enum):
    """What follows from what a pass did: nothing, another decision, giving up, or giving back because a volume was denied."""

    DONE = auto()
    AGAIN = auto()
    GIVE_UP = auto()
    RELEASE = auto()


class Pass:
    """One pass over one service on one host; holds the lock of the service while it runs."""

    def __init__(
        self,
        host: Host,
        cluster: Cluster,
        service: str,
        watched: liveness.Watched = lambda: None,
        *,
        role: Role | None = None,
        blind: bool = False,
    ) -> None:
        self.host, self.cluster, self.service, self.watched, self.role = host, cluster, service, watched, role
        self.scope = Scope(host, cluster, service, blind=blind)
        self.bookkeeping = Bookkeeping(self.scope, watched)
        self.spec, self.store, self.resources = self.scope.spec, self.scope.store, self.scope.resources
        self.held: set[str] = set()
        self.denied = False
        self.released: dict[str, Outcome] = {}

    def consider(self, *, guarding: bool = True) -> tuple[Verdict, Observation]:
        """Look and decide as a pass would, and stop there. Changes nothing."""
        observation = self._observe()
        return self._decide(observation) if guarding else (decide(observation.facts), observation)

    def _observe(self, before: Observation | None = None, guard: Guard = Guard.UNASKED) -> Observation:
        return observe(self.scope, before, assumed=self.role, denied=self.denied, guard=guard)

    # --- decide and act -----------------------------------------------------------------------------------------------

    def run(self) -> Report:
        """Make the pass. Raises Busy when another one does not end."""
        with self.store.lock():
            return self._run()

    def _run(self) -> Report:
        observation = self._observe()
        for _ in range(ROUNDS):
            verdict, observation = self._decide(observation)
            outcomes, again = self._round(verdict, observation)
            if not again:
                break
            observation = self._observe(observation)
        return self._close(verdict, observation, tuple(self._after_all(outcome) for outcome in outcomes))

    def _round(self, verdict: Verdict, observation: Observation) -> tuple[tuple[Outcome, ...], bool]:
        """Plan what a decision calls for, once, and act on it; return also whether the pass has to decide again."""
        plan = self.plan(verdict, observation)
        if self._at_restart_limit(verdict, plan):
            return (), True
        outcomes = self._act(verdict, observation, plan)
        after = self._after(verdict, outcomes)
        if after is After.GIVE_UP:
            self._give_up(outcomes)
        return outcomes, self._denied() if after is After.RELEASE else after is After.AGAIN

    def _decide(self, observation: Observation) -> tuple[Verdict, Observation]:
        verdict = decide(observation.facts)
        if verdict.action is not Action.GUARD:
            return verdict, observation
        try:
            answer = liveness.ask(self.host, self.spec, self.cluster.timing, self.watched)
        except ProbeError as error:
            return Verdict(verdict.line, Action.WAIT, str(error)), observation
        later = self._observe(observation, answer)  # role and holder are older than the guard took: asked again before a seize
        # A seize names the versions that were read before the guard.
        holders = later.holders._replace(versions=observation.holders.versions)
        return decide(later.facts), replace(later, holders=holders)

    def _act(self, verdict: Verdict, observation: Observation, plan: Plan) -> tuple[Outcome, ...]:
        want = WANT.get(verdict.action)
        if want is None:
            return left_alone(self.resources, observation.seen)
        if plan.changes:
            text = f"{self.service}: line {verdict.line}: {verdict.action}: {verdict.why}"
            log.note(text, line=verdict.line, service=self.service)
        outcomes = self._engine(want, self._step(observation)).run(self.resources, plan)
        self.bookkeeping.acted(verdict, outcomes, moved=bool(plan.changes))
        return outcomes

    def plan(self, verdict: Verdict, observation: Observation) -> Plan:
        """Plan what a decision calls for: the very objects that a pass runs. Changes nothing."""
        want = WANT.get(verdict.action)
        versions = observation.holders.versions if verdict.action is Action.SEIZE else None
        if not want:
            return Plan()
        return make_plan(self.resources, observation.seen, want, versions, self._stale(verdict, observation))

    def _stale(self, verdict: Verdict, observation: Observation) -> frozenset[str]:
        """Pick attachments of an earlier boot: this host did not take them, and they do no I/O."""
        idle = {one.key for one in self.scope.volumes if getattr(observation.seen[one.key], "io", True) is False}
        taking = verdict.action in (Action.ACQUIRE, Action.SEIZE)
        return frozenset(idle if idle and taking and not self.store.claimed() else ())

    def _engine(self, want: Want, step: float | None = None) -> Engine:
        still = self._still if want is not Want.ISOLATED else lambda: None
        return Engine(self.host, self.service, step or self.cluster.timing.step, still)

    def _step(self, observation: Observation) -> float:
        """Give the seconds a resource may take: where the volume does no I/O, no pass may wait past the deadline for that."""
        step = self.cluster.timing.step
        return (
            min(step, max(1.0, observation.io_bad_since + IO_DEADLINE_S - self.host.now()))
            if observation.io_bad_since
            else step
        )

    def _still(self) -> None:
        """Stop a pass at once when a volume that it held, or this boot, is another host's. Raises Lost."""
        for one in self.scope.volumes:
            with suppress(ProbeError, OSError):  # what is unknown stops nothing
                if getattr(VOLUME.observe(self.host, one.spec), "mode", None) == "exclusive":
                    self.held.add(one.key)
                elif one.key in self.held or self.store.claimed():
                    self._raise_if_lost(one)

    def _raise_if_lost(self, one: Resource) -> None:
        if VOLUME.holder(self.host, one.spec).holder is Holder.ANOTHER:
            raise Lost(f"{one.key} was taken by another host")

    def _after(self, verdict: Verdict, outcomes: tuple[Outcome, ...]) -> After:
        """Say what follows from what happened."""
        words = {outcome.word for outcome in outcomes}
        taking = verdict.action in (Action.ACQUIRE, Action.SEIZE, Action.SERVE)
        if taking and Word.DENIED in words:
            return After.RELEASE
        if (taking or verdict.action is Action.RELEASE) and Word.LOST in words:
            return After.AGAIN
        failed = [outcome for outcome in outcomes if _failed(outcome)]
        gives_up = taking and failed and (verdict.action is not Action.SERVE or self._broken(failed))
        return After.GIVE_UP if gives_up else After.DONE

    def _at_restart_limit(self, verdict: Verdict, plan: Plan) -> bool:
        """Count a unit that died while this host serves as a start; return whether it has died too often to go on here."""
        was_there = self.store.settled_before()
        died = [change.key for change in plan.up if change.key.startswith("service ") and change.key in was_there]
        if verdict.action is not Action.SERVE or not died or plan.down:
            return False
        if at_limit(self.store.starts(), self.host.now()):
            self.bookkeeping.hold(died[0], f"{died[0]} died again and again")
            return True
        self.bookkeeping.started()
        return False

    def _broken(self, failed: list[Outcome]) -> bool:
        """Return whether something is gone that was there: a host that serves releases nothing for what never was in sync."""
        keys = {one.key for one in failed} & self.store.settled_before()
        gone = survey(self.host, [resource for resource in self.resources if resource.key in keys])
        return None in gone.values()

    def _denied(self) -> bool:
        """Give back what was taken before a volume was denied; return whether this was the first time."""
        first, self.denied = not self.denied, True
        self._release()
        return first

    def _release(self) -> None:
        """All or none: what was taken, now or before a death, before another volume was denied goes back."""
        if not self.store.claimed():
            self._engine(Want.GONE).run(self.resources, self._plan_gone())

    def _give_up(self, outcomes: tuple[Outcome, ...]) -> None:
        """Release what was taken; a failure above the volume also keeps this host from trying for a while."""
        failed = next(outcome for outcome in outcomes if _failed(outcome))
        log.note(f"{self.service}: giving up: {failed.key}: {failed.reason}", logging.ERROR, service=self.service)
        released = self._engine(Want.GONE).run(self.resources, self._plan_gone())
        self.released = {one.key: one for one in released}
        if all(one.word in SETTLED for one in released):
            self.store.claim(held=False)
        if not failed.key.startswith("volume "):
            self.bookkeeping.cool(f"{failed.key} failed here: {failed.reason}")
            self.bookkeeping.failed(failed.key, failed.reason)

    def _after_all(self, outcome: Outcome) -> Outcome:
        """Say how a resource stands after the pass has given up: given back, or stuck; what failed goes on saying why."""
        later = self.released.get(outcome.key)
        if later is None or outcome.word is Word.FAILED:
            return outcome
        if later.word not in SETTLED:
            return later
        return replace(outcome, word=Word.BLOCKED, reason="given back") if outcome.word in SETTLED else outcome

    def _plan_gone(self) -> Plan:
        return make_plan(self.resources, survey(self.host, self.resources), Want.GONE)

    # --- record and tell ----------------------------------------------------------------------------------------------

    def _close(self, verdict: Verdict, observation: Observation, outcomes: tuple[Outcome, ...]) -> Report:
        if observation.unwritable:
            log.note(f"{self.service}: {observation.unwritable}", logging.ERROR, service=self.service)
        fencing = self.scope.fencing(observation.facts.role)
        with self.bookkeeping.tolerant("what was heard"):
            self.store.save_fencing(fencing)
        tied = self.bookkeeping.remember(verdict, observation)
        self.bookkeeping.returned(verdict, observation, outcomes)
        up, why = self.bookkeeping.flag(
            verdict, observation, outcomes, self.bookkeeping.standing(observation, fencing, tied=tied)
        )
        self.bookkeeping.announce(outcomes)
        report = Report(
            service=self.service,
            line=verdict.line,
            did=verdict.action,
            why=observation.holders.unknown or verdict.why,
            outcomes=outcomes,
            role=str(observation.facts.role),
            holder=str(Holder.ME if self.store.claimed() else observation.facts.holder),
            eligible=up,
            eligible_why=why,
            facts=asdict(observation.facts),
        )
        host_state.save_roles(self.host, observation.roles)
        self.store.save_report(report)
        return report


def _failed(outcome: Outcome) -> bool:
    """Return whether a resource failed, or is a volume that was taken but gave no I/O in its time."""
    idle = outcome.key.startswith("volume ") and outcome.word is Word.CONVERGING
    return idle or outcome.word in (Word.FAILED, Word.STUCK)


def run_pass(
    host: Host, cluster: Cluster, service: str, watched: liveness.Watched = lambda: None, *, role: Role | None = None
) -> Report:
    """Make one pass; always a Report, so that the trouble of one service is never another's. Raises PermissionError.

    `role`: assumed for this pass, because somebody has ordered it.
    """
    try:
        return Pass(host, cluster, service, watched, role=role).run()
    except NvkeepError as error:
        why = str(error)
    except PermissionError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in nvkeep: told whole, and the next pass tries again
        why = f"a bug in nvkeep, please report it: {''.join(traceback.format_exception(error))}"
    log.note(f"{service}: {why}", logging.ERROR, service=service)
    return Report(service, 0, Action.WAIT, why, (Outcome(service, Word.UNKNOWN, why),))
