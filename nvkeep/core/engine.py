"""run: act, and look again. The only user of tenacity, the only caller of a plan's commands.

A dry run, a takeover, a release, a repair: each is the same walk to another target.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from graphlib import TopologicalSorter
from itertools import groupby

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from nvkeep import log
from nvkeep.core.plan import arrive, leave, look
from nvkeep.errors import CommandError, Denied, Lost, NvkeepError, Pending, ProbeError, StepError, Transient
from nvkeep.host import Completed, Host
from nvkeep.model.plan import Change, Plan, Ref, Step, Verb
from nvkeep.model.report import SETTLED, Outcome, Word
from nvkeep.reconcilers import Resource

FIRST_LOOK_S, SLOWEST_LOOK_S = 0.01, 0.1  # between two looks at something that is on its way
SLOWER = 1.3  # each pause than the one before: what took a while is seen a third of that while later at most
SHORTEST_TIMEOUT_S = 1.0  # a command is given in any case
RETRY_DELAY = wait_random_exponential(multiplier=0.1, max=2)


@dataclass
class Engine:
    """Runs plans. `still`: asked before each command and look, but of an isolation; raises Lost. `waits`: told of new looks."""

    host: Host
    service: str
    step: float
    still: Callable[[], None] = lambda: None
    waits: Callable[[Ref], None] = lambda _: None
    ran: dict[str, list[str]] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    until: dict[str, float] = field(default_factory=dict)

    def run(self, resources: Sequence[Resource], plan: Plan) -> tuple[Outcome, ...]:
        """Make the changes: downward first, then upward, independent ones side by side; say how everything stands."""
        unknown = {key: Outcome(key, Word.UNKNOWN, why) for key, why in plan.waiting}
        below = {resource.key: resource.needs for resource in resources}
        above = {key: {other for other, needs in below.items() if key in needs} for key in below}
        isolating = any(change.verb is Verb.ISOLATE for change in plan.down)
        down = self._isolate(resources, plan, above) if isolating else self._walk(resources, plan.down, above, above, {})
        stuck = {key: outcome for key, outcome in down.items() if outcome.word not in SETTLED}
        up = self._walk(resources, plan.up, below, below, unknown | stuck)
        done = {resource.key: Outcome(resource.key, Word.IN_SYNC) for resource in resources} | unknown | down | up | stuck
        return tuple(done[resource.key] for resource in resources)

    def _isolate(self, resources: Sequence[Resource], plan: Plan, above: Mapping[Ref, set[Ref]]) -> dict[Ref, Outcome]:
        """Release stage by stage, as planned; what is of one kind side by side, but for mounts within mounts."""
        by_key = {resource.key: resource for resource in resources}
        keeps = {key: [other for other in others if by_key[other].kind.keeps] for key, others in above.items()}
        done: dict[Ref, Outcome] = {}
        for (verb, _), stage in groupby(plan.down, lambda change: (change.verb, change.key.kind)):
            changes = tuple(stage)
            if verb is Verb.CUT:
                for change in changes:
                    self._cut(by_key[change.key], change)
            else:
                done |= self._walk(resources, changes, keeps, keeps, done)
        return done

    def _cut(self, resource: Resource, change: Change) -> None:
        """End what waits. What a failure costs is seen by what is isolated next."""
        self.until[change.key] = self.host.now() + self.step
        self._commands(resource, change.steps)

    def _walk(
        self,
        resources: Sequence[Resource],
        changes: Sequence[Change],
        after: Mapping[Ref, Iterable[Ref]],
        keeps: Mapping[Ref, Iterable[Ref]],
        settled: Mapping[Ref, Outcome],
    ) -> dict[Ref, Outcome]:
        """Make each change once those it comes `after` are made; it is blocked when one that `keeps` it failed."""
        if not changes:  # mostly
            return {}
        by_key = {resource.key: resource for resource in resources}
        todo = {change.key: change for change in changes if change.key not in settled}
        order = TopologicalSorter({key: [other for other in after[key] if other in todo] for key in todo})
        order.prepare()
        done: dict[Ref, Outcome] = {}
        running: dict[Future[Outcome], Ref] = {}
        with ThreadPoolExecutor(max_workers=max(1, len(todo))) as pool:
            while order.is_active():
                ready = order.get_ready()
                alone = len(ready) == 1 and not running
                for key in ready:
                    known = {**settled, **done}
                    failed = [other for other in sorted(keeps[key]) if known.get(other, _FINE).word not in SETTLED]
                    if failed:
                        done[key] = Outcome(key, Word.BLOCKED, f"waits for {failed[0]}")
                        order.done(key)
                    elif alone:
                        done[key] = self._change(by_key[key], todo[key])
                        order.done(key)
                    else:
                        running[pool.submit(self._change, by_key[key], todo[key])] = key
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    done[key] = future.result()
                    order.done(key)
        return done

    def _change(self, resource: Resource, change: Change) -> Outcome:
        """Settle one resource; an Outcome whatever happens."""
        begun, at = time.monotonic(), self.host.now()
        word, reason = Word.CONVERGED, change.why
        try:
            self._settle(resource, change)
        except Lost as error:
            word, reason = Word.LOST, str(error)
        except Denied as error:
            word, reason = Word.DENIED, str(error)
        except Pending as error:
            word, reason = Word.CONVERGING, str(error)
        except ProbeError as error:
            word, reason = Word.UNKNOWN, str(error)
        except (NvkeepError, OSError) as error:
            word, reason = Word.STUCK if change.verb.leaves else Word.FAILED, str(error)
        outcome = Outcome(
            change.key, word, reason, time.monotonic() - begun, tuple(self.ran.get(change.key, ())), at, change.verb
        )
        log.outcome(self.service, change.verb, outcome)
        return outcome

    def _settle(self, resource: Resource, change: Change) -> None:
        planned: list[Change] = [change]
        hurry = resource.kind.hurry if change.verb is Verb.ISOLATE else self.step
        self.until[change.key] = self.host.now() + min(self.step, hurry)
        for attempt in Retrying(
            stop=lambda state: self.host.now() + state.upcoming_sleep > self.until[change.key],
            wait=partial(_pause, first=SLOWEST_LOOK_S if resource.kind.disturbed and not change.verb.leaves else FIRST_LOOK_S),
            retry=retry_if_exception_type(Transient),
            before_sleep=lambda _: self.waits(resource.key),
            sleep=self.host.sleep,
            reraise=True,
        ):
            with attempt:
                self._try(resource, planned.pop() if planned else self._again(resource, change), change.verb)

    def _again(self, resource: Resource, change: Change) -> Change | None:
        """Plan the same change once more from what is there now; None when it is on its way or done."""
        have = look(self.host, resource)
        if change.verb.leaves:
            moving = have is None or (change.verb is Verb.RELEASE and resource.kind.pending(have, leaving=True))
            return None if moving else leave(resource, have, change.verb, change.why)
        if have is None and resource.key in self.under_way:
            raise StepError(self._failure(resource, have))
        if have is None and change.verb is Verb.SEIZE:
            return change
        return None if resource.kind.pending(have, leaving=False) else arrive(resource, have, {})

    def _try(self, resource: Resource, change: Change | None, verb: Verb) -> None:
        """Run a change's commands, then look: what is seen decides, what a command said only explains."""
        self.still()
        last = self._commands(resource, change.steps) if change else None
        have = look(self.host, resource)
        if change and not verb.leaves and have == resource.kind.desired(resource.spec):
            have = self._look_once_more(resource, change.verb, have)
        if resource.kind.settled(resource.spec, have, verb):
            return
        raise self._reason(resource, have, last, leaving=verb.leaves)

    def _look_once_more(self, resource: Resource, verb: Verb, have: object | None) -> object | None:
        """Look again after a while where a first success may not last; a volume that is gone by then was another's."""
        seconds = resource.kind.confirm(resource.spec, verb)
        if not seconds:
            return have
        self.host.sleep(seconds)
        later = look(self.host, resource)
        if later != have:
            raise Denied(f"{resource.key}: another host was given it as well, and has it now")
        return later

    def _reason(self, resource: Resource, have: object | None, last: Completed | None, *, leaving: bool) -> StepError:
        """Say why it is not so: an exit code of 0 is no proof, so the words of the last command are read in any case."""
        if not leaving and resource.kind.taken(have):
            return Denied(f"{resource.key}: another host was given it as well, and has it now")
        answer = resource.kind.judge(resource.spec, last) if last else None
        if isinstance(answer, Denied):
            return answer
        if resource.kind.pending(have, leaving=leaving):
            self.under_way |= {resource.key} if last and not leaving else set()
            return Pending(f"{resource.key} is {have}")
        if last is None:
            return Pending(f"{resource.key} is {have or 'absent'} by now")
        failed = answer if last.code or isinstance(answer, Transient) else None
        return failed or StepError(self._failure(resource, have))

    def _failure(self, resource: Resource, have: object | None) -> str:
        return resource.kind.failure(self.host, resource.spec) if have is None else f"{resource.key} is still {have}"

    def _left(self, resource: Resource) -> float:
        """Give the time that is left for a resource; by the host's clock, which does not jump."""
        return max(SHORTEST_TIMEOUT_S, self.until[resource.key] - self.host.now())

    def _commands(self, resource: Resource, steps: Iterable[Step]) -> Completed | None:
        """Run commands up to the first that fails; give the last one that was run."""
        done = None
        for step in steps:
            self.still()
            self.ran.setdefault(resource.key, []).append(str(step))
            begun = time.monotonic()
            try:
                done = self.host.run(step.argv, min(step.timeout, self._left(resource)))
            except CommandError as error:
                done = Completed(step.argv, error.code, "", error.stderr)
            log.step(self.service, resource.key, done, time.monotonic() - begun)
            if done.code:
                break
        return done


_FINE = Outcome("", Word.IN_SYNC)


def _pause(state: RetryCallState, first: float) -> float:
    """Look often at what is on its way, at first after so many seconds; leave more time between two tries of what failed."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Pending):
        return float(min(SLOWEST_LOOK_S, first * SLOWER ** min(state.attempt_number - 1, 50)))
    return float(RETRY_DELAY(state))
