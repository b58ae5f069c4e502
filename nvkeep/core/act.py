"""What a decision calls for on this host: planned for the dry run, and run by a pass."""

from collections.abc import Iterable
from contextlib import suppress

from nvkeep import log
from nvkeep.core.engine import Engine
from nvkeep.core.first_answer import FirstAnswer
from nvkeep.core.observe import IO_DEADLINE_S, Observation
from nvkeep.core.plan import left_alone, make_plan, survey
from nvkeep.core.scope import Scope
from nvkeep.errors import Lost, ProbeError
from nvkeep.model.decision import Action, Holder, Verdict
from nvkeep.model.plan import WANT, Plan, Want
from nvkeep.model.report import Outcome
from nvkeep.reconcilers import VolumeResource

SHORTEST_STEP_S = 1.0


class Actor:
    """Changes the host for one pass; `held`: volumes seen attached, `made`: what it did, `answer`: when it was heard."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.resources = scope, scope.resources
        self.held: set[str] = set()
        self.made: list[Outcome] = []
        self.answer = FirstAnswer(scope)

    def plan(self, verdict: Verdict, observation: Observation) -> Plan:
        """Plan what a decision calls for: the very objects that a pass runs. Changes nothing."""
        want = WANT.get(verdict.action)
        versions = observation.holders.versions if verdict.action is Action.SEIZE else None
        if not want:
            return Plan()
        return make_plan(self.resources, observation.seen, want, versions, self._stale(verdict, observation))

    def _stale(self, verdict: Verdict, observation: Observation) -> frozenset[str]:
        """Pick attachments of an earlier boot: this host did not take them, and they do no I/O."""
        idle = {volume.key for volume in self.scope.volumes if getattr(observation.seen[volume.key], "io", True) is False}
        taking = verdict.action in (Action.ACQUIRE, Action.SEIZE)
        return frozenset(idle if idle and taking and not self.scope.store.claimed() else ())

    def act(self, verdict: Verdict, observation: Observation, plan: Plan) -> tuple[Outcome, ...]:
        """Run what was planned for a decision."""
        want = WANT.get(verdict.action)
        if want is None:
            return left_alone(self.resources, observation.seen)
        if plan.changes:
            text = f"{self.scope.service}: line {verdict.line}: {verdict.action}: {verdict.why}"
            log.note(text, line=verdict.line, service=self.scope.service)
        engine = Engine(self.scope.host, self.scope.service, self._step(observation))
        if want is not Want.ISOLATED:
            engine.still = self._still
        if want is Want.HERE:
            engine.waits = self.answer.ask
        return self._run(engine, plan)

    def _step(self, observation: Observation) -> float:
        """Give the seconds a resource may take: where the volume does no I/O, no pass may wait past the deadline for that."""
        if not observation.io_bad_since:
            return self.scope.timing.step
        left = observation.io_bad_since + IO_DEADLINE_S - self.scope.host.now()
        return min(self.scope.timing.step, max(SHORTEST_STEP_S, left))

    def release(self) -> tuple[Outcome, ...]:
        """Give back what is here now."""
        plan = make_plan(self.resources, survey(self.scope.host, self.resources), Want.GONE)
        return self._run(Engine(self.scope.host, self.scope.service, self.scope.timing.step, self._still), plan)

    def _run(self, engine: Engine, plan: Plan) -> tuple[Outcome, ...]:
        outcomes = engine.run(self.resources, plan)
        self.made += sorted((outcome for outcome in outcomes if outcome.ran), key=lambda outcome: outcome.begun)
        return outcomes

    def gone(self, keys: Iterable[str]) -> bool:
        """Return whether one of these resources is seen to be absent."""
        seen = survey(self.scope.host, [resource for resource in self.resources if resource.key in keys])
        return any(state is None for state in seen.values())

    def _still(self) -> None:
        """Stop a pass at once when a volume that it held, or this boot, is another host's. Raises Lost."""
        for volume in self.scope.volumes:
            with suppress(ProbeError, OSError):  # what is unknown stops nothing
                if getattr(volume.kind.observe(self.scope.host, volume.spec), "mode", None) == "exclusive":
                    self.held.add(volume.key)
                elif volume.key in self.held or self.scope.store.claimed():
                    self._raise_if_lost(volume)

    def _raise_if_lost(self, volume: VolumeResource) -> None:
        if volume.holder(self.scope.host).holder is Holder.ANOTHER:
            raise Lost(f"{volume.key} was taken by another host")
