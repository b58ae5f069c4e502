"""One pass over one service on one host, which may have to decide again when what it did has changed its mind."""

import logging
from dataclasses import replace
from enum import Enum, auto

from nvkeep import log
from nvkeep.core import history, liveness
from nvkeep.core.act import Actor
from nvkeep.core.bookkeeping import Bookkeeping
from nvkeep.core.flag import set_flag
from nvkeep.core.observe import Observation, observe
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.model.decision import Action, Guard, Holder, Verdict, decide
from nvkeep.model.report import SETTLED, Outcome, Report, Word
from nvkeep.model.role import Role

TAKING = (Action.ACQUIRE, Action.GUARD, Action.SEIZE)
ROUNDS = 4  # a pass may change its mind: denied -> guard -> seize -> lost -> isolate


class After(Enum):
    """What follows from what a pass did: nothing, another decision, giving up, or giving back because a volume was denied."""

    DONE = auto()
    AGAIN = auto()
    GIVE_UP = auto()
    RELEASE = auto()


def _guarded(observation: Observation, guard: Guard) -> Observation:
    return observation._replace(facts=replace(observation.facts, guard=guard))


class Pass:
    """Look, decide, act, record, set the flag; holds the lock of the service while it runs."""

    def __init__(
        self,
        scope: Scope, watched: liveness.Watched = lambda: None, *,
        role: Role | None = None, wait: float | None = None, anew: bool = True,
    ) -> None:  # fmt: skip
        self.scope, self.watched, self.role, self.wait, self.anew = scope, watched, role, wait, anew
        self.actor, self.bookkeeping = Actor(self.scope), Bookkeeping(self.scope, watched)
        self.host, self.service, self.spec, self.store = scope.host, scope.service, scope.spec, scope.store
        self.denied = False
        self.released: dict[str, Outcome] = {}

    def look(self) -> tuple[Verdict, Observation]:
        """Look and decide as a pass does, and stop there. Changes nothing."""
        return self._decide(self._observe())

    def _observe(self, guard: Guard = Guard.UNASKED) -> Observation:
        return observe(self.scope, assumed=self.role, denied=self.denied, guard=guard, anew=self.anew)

    def run(self) -> Report:
        """Make the pass. Raises Busy when another one does not end."""
        with self.store.lock(self.wait):
            return self._run()

    def _run(self) -> Report:
        self.began, observation = self.host.now(), self._observe()
        if not self.anew and decide(observation.facts).action in TAKING:
            self.anew = True
            observation = self._observe()
        for _ in range(ROUNDS):
            verdict, observation = self._decide(observation)
            self.anew = True
            outcomes, again = self._round(verdict, observation)
            if not again:
                break
            observation = self._observe()
        return self._close(verdict, observation, tuple(self._after_all(outcome) for outcome in outcomes))

    def _round(self, verdict: Verdict, observation: Observation) -> tuple[tuple[Outcome, ...], bool]:
        """Plan what a decision calls for, once, and act on it; return also whether the pass has to decide again."""
        plan = self.actor.plan(verdict, observation)
        if verdict.action is Action.SERVE and self.bookkeeping.died_too_often(plan, observation.seen):
            return (), True
        outcomes = self.actor.act(verdict, observation, plan)
        self.bookkeeping.acted(verdict, outcomes, moved=bool(plan.changes))
        after = self._after(verdict, outcomes)
        if after is After.GIVE_UP:
            self._give_up(outcomes)
        return outcomes, self._denied() if after is After.RELEASE else after is After.AGAIN

    def _decide(self, observation: Observation) -> tuple[Verdict, Observation]:
        """Decide. What a seizure rests on is at most two adverts old: else role and holder are asked again after the guard."""
        answer = liveness.known(self.host, self.spec, self.scope.timing, self.watched)
        guarded = _guarded(observation, answer)
        verdict = decide(guarded.facts)
        if verdict.action not in (Action.GUARD, Action.SEIZE):
            return verdict, guarded
        try:
            if verdict.action is Action.GUARD:
                answer = liveness.ask(self.host, self.spec, self.scope.timing, self.watched)
        except ProbeError as error:
            return verdict._replace(action=Action.WAIT, why=str(error), judged_by=Action.WAIT), guarded
        if self.host.now() - observation.at <= 2 * self.scope.timing.advert:
            guarded = _guarded(observation, answer)
            return decide(guarded.facts), guarded
        later = self._observe(answer)
        # A seize names the versions that were read before the guard.
        holders = later.holders._replace(versions=observation.holders.versions)
        return decide(later.facts), later._replace(holders=holders)

    def _after(self, verdict: Verdict, outcomes: tuple[Outcome, ...]) -> After:
        """Say what follows from what happened."""
        words = {outcome.word for outcome in outcomes}
        taking = verdict.action in (Action.ACQUIRE, Action.SEIZE, Action.SERVE)
        if taking and Word.DENIED in words:
            return After.RELEASE
        if (taking or verdict.action is Action.RELEASE) and Word.LOST in words:
            return After.AGAIN
        failed = self._failed(outcomes)
        gives_up = taking and failed and (verdict.action is not Action.SERVE or self._broken(failed))
        return After.GIVE_UP if gives_up or (taking and self._undetermined(outcomes)) else After.DONE

    def _undetermined(self, outcomes: tuple[Outcome, ...]) -> list[Outcome]:
        """Pick what could not be determined since the service was taken, when that is longer ago than one step may take.

        Another host may be able to tell. What stood wholly once is served on: a question that fails ends nothing.
        """
        since = self.store.timers().fresh_since
        if not since or self.host.now() - since <= self.scope.timing.step:
            return []
        return [outcome for outcome in outcomes if outcome.word is Word.UNKNOWN and outcome.key not in self.scope.volume_keys]

    def _failed(self, outcomes: tuple[Outcome, ...]) -> list[Outcome]:
        """Pick the resources that failed, and the volumes that were taken but gave no I/O in their time."""
        idle = [outcome for outcome in outcomes if outcome.word is Word.CONVERGING and outcome.key in self.scope.volume_keys]
        return [outcome for outcome in outcomes if outcome.word in (Word.FAILED, Word.STUCK) or outcome in idle]

    def _broken(self, failed: list[Outcome]) -> bool:
        """Return whether something is gone that was there: a host that serves releases nothing for what never was in sync."""
        return self.actor.gone({outcome.key for outcome in failed} & self.store.settled_before())

    def _denied(self) -> bool:
        """Give back what was taken before a volume was denied; return whether this was the first time."""
        first, self.denied = not self.denied, True
        self._release()
        return first

    def _release(self) -> None:
        """All or none: what was taken, now or before a death, before another volume was denied goes back."""
        if not self.store.claimed():
            self.actor.release()

    def _give_up(self, outcomes: tuple[Outcome, ...]) -> None:
        """Release what was taken; a failure above the volume also keeps this host from trying for a while."""
        failed = (self._failed(outcomes) or self._undetermined(outcomes))[0]
        log.note(f"{self.service}: giving up: {failed.key}: {failed.reason}", logging.ERROR, service=self.service)
        released = self.actor.release()
        self.released = {outcome.key: outcome for outcome in released}
        if all(outcome.word in SETTLED for outcome in released):
            self.store.claim(held=False)
        if failed.key not in self.scope.volume_keys:
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

    def _close(self, verdict: Verdict, observation: Observation, outcomes: tuple[Outcome, ...]) -> Report:
        if observation.unwritable:
            log.note(f"{self.service}: {observation.unwritable}", logging.ERROR, service=self.service)
        fencing = self.scope.fencing(observation.facts.role)
        with self.bookkeeping.tolerant("what was heard"):
            self.store.save_fencing(fencing)
        tied = self.bookkeeping.remember(verdict, observation, denied=self.denied)
        self.bookkeeping.returned(verdict, observation, outcomes)
        up, why = set_flag(self.scope, verdict, observation, outcomes, deaf=fencing.deaf, tied=tied)
        self.bookkeeping.stands(outcomes)
        self.bookkeeping.announce(outcomes)
        report = Report(
            self.service, verdict.line, verdict.action, observation.holders.unknown or verdict.why, outcomes,
            role=str(observation.facts.role), holder=str(Holder.ME if self.store.claimed() else observation.facts.holder),
            eligible=up, eligible_why=why, facts=vars(observation.facts),
        )  # fmt: skip
        if not observation.asked.manual:
            self.scope.save_roles(observation.asked.roles)
        history.keep(self.scope, report, self.actor, self.began)
        return report
