"""What a pass leaves behind for the next one: the claim, the fencing record, cool-down, restart limit and backoff."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from nvkeep import log
from nvkeep.core import liveness
from nvkeep.core.observe import Observation
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.model.decision import Action, Guard, Holder, Verdict
from nvkeep.model.fencing import Fencing, record_fencing
from nvkeep.model.override import Kind
from nvkeep.model.plan import Plan, Ref, State
from nvkeep.model.report import SETTLED, Outcome
from nvkeep.model.timers import (
    RESTART_LIMIT,
    RESTART_SPAN_S,
    STOOD_EVERY_S,
    Backoff,
    Blocked,
    after_hearing,
    at_limit,
    back_off,
    next_announcement,
    tie_break,
    with_start,
)
from nvkeep.reconcilers import UNIT

LOST_LINE = 1  # the line of a volume that another host has taken
LEAVING = (Action.RELEASE, Action.REST, Action.YIELD)


class Bookkeeping:
    """The records of one service, as one pass changes them."""

    def __init__(self, scope: Scope, watched: liveness.Watched) -> None:
        self.scope, self.watched, self.heard = scope, watched, watched()
        self.host, self.service, self.spec, self.store = scope.host, scope.service, scope.spec, scope.store

    def acted(self, verdict: Verdict, outcomes: tuple[Outcome, ...], *, moved: bool) -> None:
        """Record what a decision led to."""
        if verdict.action is Action.WAIT:
            return  # nothing was done
        if verdict.action is Action.ISOLATE:
            self._lost(taken=verdict.line == LOST_LINE)
        elif _settled(outcome for outcome in outcomes if outcome.key in self.scope.volume_keys):
            if verdict.action in LEAVING:
                self.store.claim(held=False)
            else:
                self._held(verdict.action, moved=moved)

    def _lost(self, *, taken: bool) -> None:
        fencing = self.store.fencing()
        if not taken:
            self.cool("the volume did no I/O here")
        elif self.store.claimed() or not fencing.bars:
            with self.tolerant("the fencing record"):
                self.store.save_fencing(record_fencing(fencing, self.host.now()))
        self.store.claim(held=False)

    def _held(self, action: Action, *, moved: bool) -> None:
        fencing = self.store.fencing()
        self.store.claim(held=True)
        with self.tolerant("that the fencing is over"):  # but one that nobody was heard after stays, unless the volume was free
            self.store.save_fencing(fencing if fencing.spent and action is not Action.ACQUIRE else Fencing())
        if moved or action is not Action.SERVE:
            old, now = self.store.timers(), self.host.now()
            if action is not Action.SERVE:
                old = replace(old, fresh_since=now, silent_since=self.heard.since if self.heard else 0.0)
            self.store.save_timers(replace(old, announce_since=now, announce_at=next_announcement(now, now)))

    @contextmanager
    def tolerant(self, what: str) -> Iterator[None]:
        """Go on serving when a record cannot be written (a full or read-only disk), and log it."""
        try:
            yield
        except OSError as error:
            log.note(f"{self.service}: {what} could not be recorded: {error}", logging.ERROR, service=self.service)

    def cool(self, why: str) -> None:
        """Keep this host from trying again for a while."""
        until = self.host.now() + self.scope.timing.cooldown
        self.store.save_timers(replace(self.store.timers(), cooling_until=until, cooling_why=why))

    def failed(self, key: str, why: str) -> None:
        """Spend a start that failed; when none is left, the service is held here until somebody has looked."""
        self._started()
        if at_limit(self.store.starts(), self.host.now()):
            self._block(key, why)

    def died_too_often(self, plan: Plan, seen: Mapping[Ref, State]) -> bool:
        """Count what died while this host serves, a unit or a file system; return whether it did so too often to go on here."""
        was_there = self.store.settled_before()
        units = [] if plan.down else [change.key for change in plan.up if change.key.kind == UNIT.name]
        died = {key: f"{key} keeps dying" for key in units if key in was_there}
        died |= {
            resource.key: f"{resource.key}: {why}"
            for resource in self.scope.resources
            if plan.down and resource.key in was_there and (why := resource.broken(seen[resource.key]))
        }
        if not died:
            return False
        if at_limit(self.store.starts(), self.host.now()):
            self._block(*next(iter(died.items())))
            return True
        self._started()
        return False

    def _started(self) -> None:
        """Spend a start."""
        with self.tolerant("a start"):
            self.store.save_starts(with_start(self.store.starts(), self.host.now()))

    def _block(self, key: str, why: str) -> None:
        """Start the service here no more until `nvkeep reset`."""
        reason = f"{RESTART_LIMIT} starts within {RESTART_SPAN_S / 60:g} minutes did not last: {why}"
        log.note(
            f"{self.service}: held: {reason}; when it is fixed: nvkeep reset {self.service}",
            logging.ERROR,
            service=self.service,
        )
        with self.tolerant("that it is held"):
            self.store.hold(Blocked(key, reason, self.host.date()))

    def remember(self, verdict: Verdict, observation: Observation, *, denied: bool) -> bool:
        """Record what lasts longer than a pass, and being `denied`; return whether the flag has to be 0 for a moment."""
        old, facts = self.store.timers(), observation.facts
        holds = facts.holder is Holder.ME or self.store.claimed()
        tied = tie_break(
            old.candidate_since, facts.role, self.host.now(), self.spec.hosts.index(self.host.name), idle=not holds
        )
        backoff = self._backoff(verdict, observation, holds=holds)
        kept = verdict.action in (Action.SERVE, Action.WAIT)
        self.store.save_timers(
            replace(
                old,
                yield_until=backoff.until,
                patience=backoff.patience,
                listening_since=backoff.listening_since,
                adverts=self._adverts(backoff, observation),
                aside_for=backoff.holders,
                io_bad_since=observation.io_bad_since if kept else 0.0,
                carrier_lost_since=observation.carrier_lost_since,
                candidate_since=tied.since,
                denied_at=self.host.now() if denied else old.denied(facts.role, self.host.now()),
            )
        )
        return tied.now and self._silent()

    def _adverts(self, backoff: Backoff, observation: Observation) -> int:
        """Keep count of the adverts up to the moment from which on this host listens."""
        if backoff.listening_since:
            return self.store.timers().adverts
        return self.scope.adverts(observation.asked.roles) if backoff.until else 0

    def _backoff(self, verdict: Verdict, observation: Observation, *, holds: bool) -> Backoff:
        """Back off until the service falls silent, or patience is over: then listen."""
        now, was = self.host.now(), self.store.timers().backoff
        if verdict.action is Action.YIELD:
            by_hand = observation.asked.ordered and observation.facts.guard is Guard.SERVED  # keepalived here is not deaf
            return was if by_hand else back_off(was, now, observation.holders.reserved)
        if holds or (now < was.until and self._silent()):
            return Backoff()
        return after_hearing(was, observation.facts.role, now, self.scope.timing.master_down)

    def _silent(self) -> bool:
        try:
            return liveness.ask(self.host, self.spec, self.scope.timing, self.watched) is Guard.SILENT
        except ProbeError:
            return False

    def stands(self, outcomes: tuple[Outcome, ...]) -> None:
        """Record that the service stands wholly, or is not here: it is not freshly taken any more."""
        timers, now, claimed = self.store.timers(), self.host.now(), self.store.claimed()
        if claimed and _settled(outcomes) and now - timers.stood_at >= STOOD_EVERY_S:
            timers = replace(timers, stood_at=now)
        over = _settled(outcomes) or not claimed
        self.store.save_timers(replace(timers, fresh_since=0.0) if over else timers)

    def announce(self, outcomes: tuple[Outcome, ...]) -> None:
        """Tell the neighbours again, a while after the address came up."""
        timers = self.store.timers()
        if not (timers.announce_at and _settled(outcomes) and self.host.now() >= timers.announce_at):
            return
        self.store.save_timers(replace(timers, announce_at=next_announcement(timers.announce_since, self.host.now())))
        for address in self.spec.addresses if self.store.claimed() else ():
            self.host.run(("nvkeep", "announce", address.interface, str(address.address.ip)), 5.0)

    def returned(self, verdict: Verdict, observation: Observation, outcomes: tuple[Outcome, ...]) -> None:
        """Forget that the service was moved away by hand, once another host serves it: this host may be needed again.

        An order with an end is kept until then: a host that a move passes by sees the service served before it moves.
        """
        gone = verdict.action is Action.RELEASE and _settled(outcomes)
        with suppress(ProbeError), self.tolerant("that another host serves"):
            away = self.scope.overrides.read(Kind.AWAY, self.service)
            if away and (away.over(self.host.wall()) or (gone and not away.until and self._served(observation))):
                self.scope.overrides.end(Kind.AWAY, self.service)

    def _served(self, observation: Observation) -> bool:
        """Ask the guard; where nothing could answer it, whoever holds the volumes counts."""
        if not self.spec.addresses and not self.spec.health:
            return observation.facts.holder is Holder.ANOTHER
        return liveness.ask(self.host, self.spec, self.scope.timing, self.watched) is Guard.SERVED


def _settled(outcomes: Iterable[Outcome]) -> bool:
    return all(outcome.word in SETTLED for outcome in outcomes)
