"""survey, plan, run: observe; differs? act; look again. The only user of tenacity, the only caller of a plan's commands.

A dry run, a takeover, a release, a repair: each is the same walk to another target.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from nvkeep import log
from nvkeep.errors import CommandError, Denied, Lost, NvkeepError, Pending, ProbeError, StepError, Transient
from nvkeep.host import Completed, Host
from nvkeep.model.plan import Move, Plan, Step, Verb
from nvkeep.model.report import SETTLED, Outcome, Word
from nvkeep.reconcilers import Resource

Survey = Mapping[str, Any]  # key -> State, None (absent), or the ProbeError that kept it from being told
FIRST_LOOK, SLOWEST_LOOK = 0.01, 0.25  # seconds between two looks at something that is on its way
AGAIN = wait_random_exponential(multiplier=0.1, max=2)


class Want(StrEnum):
    """What a service is converged to."""

    HERE = "here"
    GONE = "gone"
    CUT_OFF = "cut off"


ISOLATE_ORDER = ("address", "service", "mount", "volume")


def observe(host: Host, resource: Resource) -> Any:  # noqa: ANN401 - the State of the resource's kind
    """Look at one resource; the error itself where it cannot be told."""
    try:
        return resource.kind.observe(host, resource.spec)
    except ProbeError as error:
        return error
    except OSError as error:
        return ProbeError(str(error))


def survey(host: Host, resources: Iterable[Resource]) -> Survey:
    """Look at everything once. Changes nothing."""
    return {resource.key: observe(host, resource) for resource in resources}


def make_plan(
    resources: Sequence[Resource], seen: Survey, want: Want, versions: Mapping[str, int | None] | None = None
) -> Plan:
    """Turn what was seen into moves. Pure. `versions`: the volumes to seize, by the reservation version that was read."""
    unknown = _tainted(
        resources, {key for key, state in seen.items() if isinstance(state, ProbeError)}, upward=want is Want.HERE
    )
    waiting = tuple((key, _why_waiting(seen[key])) for key in unknown)
    known = [one for one in resources if one.key not in unknown]
    if want is not Want.HERE:
        return Plan(down=_leaving(known, seen, want), waiting=waiting)
    fresh = _tainted(known, {one.key for one in known if _needs_fresh_start(one, seen[one.key])}, upward=True)
    down = tuple(_leave(one, seen[one.key], Verb.RELEASE, "needs a fresh start") for one in reversed(known)
                 if one.key in fresh and seen[one.key] is not None)  # fmt: skip
    up = tuple(filter(None, (_arrive(one, None if one.key in fresh else seen[one.key], versions or {}) for one in known)))
    return Plan(down, up, waiting)


def _unknown(resources: Sequence[Resource], keys: set[str], want: Want) -> set[str]:
    """Pick what has to wait for what cannot be told; a host that isolates itself only keeps a volume that may be mounted."""
    if want is not Want.CUT_OFF:
        return _tainted(resources, keys, upward=want is Want.HERE)
    return keys | _tainted(resources, set(_mounts(keys)), upward=False)


def _tainted(resources: Sequence[Resource], keys: set[str], *, upward: bool) -> set[str]:
    """Add what stands on these keys; downward: what these keys stand on, because they keep it."""
    tainted = set(keys)
    for one in resources if upward else reversed(resources):
        if upward and one.needs & tainted:
            tainted.add(one.key)
        if not upward and one.key in tainted:
            tainted |= one.needs
    return tainted


def _why_waiting(state: object) -> str:
    return str(state) if isinstance(state, ProbeError) else "waits for what cannot be told"


def _needs_fresh_start(one: Resource, have: Any) -> bool:  # noqa: ANN401 - the State of the resource's kind
    return have is not None and have != one.kind.desired(one.spec) and one.kind.adjust(one.spec, have) is None


def _leaving(known: Sequence[Resource], seen: Survey, want: Want) -> tuple[Move, ...]:
    present = [one for one in reversed(known) if seen[one.key] is not None]
    if want is Want.GONE:
        return tuple(_leave(one, seen[one.key], Verb.RELEASE, "not to be on this host") for one in present)
    ordered = sorted(present, key=lambda one: ISOLATE_ORDER.index(one.kind.name))
    return tuple(_leave(one, seen[one.key], Verb.ISOLATE, "the volume is another host's") for one in ordered)


def _leave(one: Resource, have: Any, verb: Verb, why: str) -> Move:  # noqa: ANN401 - the State of the resource's kind
    act = one.kind.isolate if verb is Verb.ISOLATE else one.kind.release
    return Move(one.key, verb, act(one.spec, have), why)


def _arrive(one: Resource, have: Any, versions: Mapping[str, int | None]) -> Move | None:  # noqa: ANN401 - as above
    if have is None and one.key in versions:
        return Move(
            one.key,
            Verb.SEIZE,
            one.kind.seize(one.spec, versions[one.key]) or (),
            "held by a host that no longer serves",
        )
    if have is None:
        return Move(one.key, Verb.ACQUIRE, one.kind.acquire(one.spec), "absent")
    wanted = one.kind.desired(one.spec)
    if have == wanted:
        return None
    return Move(one.key, Verb.ADJUST, one.kind.adjust(one.spec, have) or (), f"is {have}, should be {wanted}")


@dataclass
class Engine:
    """Runs plans. `still` is asked before every command of a service that is being held; it raises Lost."""

    host: Host
    service: str
    step: float
    still: Callable[[], None] = lambda: None
    ran: dict[str, list[str]] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)

    def run(self, resources: Sequence[Resource], plan: Plan) -> tuple[Outcome, ...]:
        """Make the moves: downward first, then upward, independent ones side by side; say how everything stands."""
        told = {key: Outcome(key, Word.UNKNOWN, why) for key, why in plan.waiting}
        below = {one.key: one.needs for one in resources}
        above = {key: {other for other, needs in below.items() if key in needs} for key in below}
        order = _in_turn(plan.down) if _isolating(plan) else above
        keeps = {key: _mounts(others) for key, others in above.items()} if _isolating(plan) else above
        down = self._walk(resources, plan.down, order, keeps, {})
        stuck = {key: one for key, one in down.items() if one.word not in SETTLED}
        up = self._walk(resources, plan.up, below, below, told | stuck)
        done = {one.key: Outcome(one.key, Word.IN_SYNC) for one in resources} | told | down | up | stuck
        return tuple(done[one.key] for one in resources)

    def _walk(
        self,
        resources: Sequence[Resource],
        moves: Sequence[Move],
        after: Mapping[str, Iterable[str]],
        keeps: Mapping[str, Iterable[str]],
        settled: Mapping[str, Outcome],
    ) -> dict[str, Outcome]:
        """Make each move once those it comes `after` are made; it is blocked when one that `keeps` it failed."""
        by_key = {one.key: one for one in resources}
        todo = {move.key: move for move in moves if move.key not in settled}
        done: dict[str, Outcome] = {}
        running: dict[Future[Outcome], str] = {}
        with ThreadPoolExecutor(max_workers=max(1, len(todo))) as pool:
            while todo or running:
                for key in [key for key in todo if not any(other in todo or other in running.values() for other in after[key])]:
                    move = todo.pop(key)
                    failed = [other for other in keeps[key] if {**settled, **done}.get(other, _FINE).word not in SETTLED]
                    if failed:
                        done[key] = Outcome(key, Word.BLOCKED, f"waits for {failed[0]}")
                    else:
                        running[pool.submit(self._move, by_key[key], move)] = key
                finished = wait(running, return_when=FIRST_COMPLETED).done
                done |= {running.pop(future): future.result() for future in finished}
        return done

    def _move(self, resource: Resource, move: Move) -> Outcome:
        """Settle one resource; an Outcome whatever happens."""
        begun = time.monotonic()
        word, reason = Word.CONVERGED, move.why
        try:
            self._settle(resource, move)
        except Lost as error:
            word, reason = Word.LOST, str(error)
        except Denied as error:
            word, reason = Word.DENIED, str(error)
        except Pending as error:
            word, reason = Word.CONVERGING, str(error)
        except ProbeError as error:
            word, reason = Word.UNKNOWN, str(error)
        except (NvkeepError, OSError) as error:
            word, reason = Word.STUCK if move.verb.leaves else Word.FAILED, str(error)
        outcome = Outcome(move.key, word, reason, time.monotonic() - begun, tuple(self.ran.get(move.key, ())))
        log.outcome(self.service, move.verb, outcome)
        return outcome

    def _settle(self, resource: Resource, move: Move) -> None:
        planned: list[Move] = [move]
        for attempt in Retrying(
            stop=self._out_of_time(),
            wait=_pause,
            retry=retry_if_exception_type(Transient),
            sleep=self.host.sleep,
            reraise=True,
        ):
            with attempt:
                self._try(resource, planned.pop() if planned else self._again(resource, move), leaving=move.verb.leaves)

    def _out_of_time(self) -> Callable[[RetryCallState], bool]:
        """Stop before a wait that would overrun; by the host's clock, which does not jump."""
        deadline = self.host.now() + self.step
        return lambda state: self.host.now() + state.upcoming_sleep > deadline

    def _again(self, resource: Resource, move: Move) -> Move | None:
        """Plan the same move once more from what is there now; None when it is on its way or done."""
        have = self._look(resource)
        if move.verb.leaves:
            moving = have is None or (move.verb is Verb.RELEASE and resource.kind.pending(have, leaving=True))
            return None if moving else _leave(resource, have, move.verb, move.why)
        if have is None and resource.key in self.under_way:
            raise StepError(self._failure(resource, have))
        if have is None and move.verb is Verb.SEIZE:
            return move
        return None if resource.kind.pending(have, leaving=False) else _arrive(resource, have, {})

    def _try(self, resource: Resource, move: Move | None, *, leaving: bool) -> None:
        """Run a move's commands, then look: what is seen decides, what a command said only explains."""
        self.still()
        last = self._commands(resource, move.steps) if move else None
        have = self._look(resource)
        if have == (None if leaving else resource.kind.desired(resource.spec)):
            return
        raise self._reason(resource, have, last, leaving=leaving)

    def _reason(self, resource: Resource, have: Any, last: Completed | None, *, leaving: bool) -> StepError:  # noqa: ANN401
        """Say why it is not so: an exit code of 0 is no proof, so the words of the last command are read in any case."""
        said = resource.kind.judge(resource.spec, last) if last else None
        if isinstance(said, Denied):
            return said
        if resource.kind.pending(have, leaving=leaving):
            self.under_way |= {resource.key} if last and not leaving else set()
            return Pending(f"{resource.key} is {have}")
        if last is None:
            return Pending(f"{resource.key} is {have or 'absent'} by now")
        failed = said if last.code or isinstance(said, Transient) else None
        return failed or StepError(self._failure(resource, have))

    def _failure(self, resource: Resource, have: Any) -> str:  # noqa: ANN401 - the State of the resource's kind
        return resource.kind.failure(self.host, resource.spec) if have is None else f"{resource.key} is still {have}"

    def _look(self, resource: Resource) -> Any:  # noqa: ANN401 - the State of the resource's kind
        seen = observe(self.host, resource)
        if isinstance(seen, ProbeError):
            raise seen
        return seen

    def _commands(self, resource: Resource, steps: Iterable[Step]) -> Completed | None:
        """Run commands up to the first that fails; give the last one that was run."""
        done = None
        for step in steps:
            self.still()
            self.ran.setdefault(resource.key, []).append(str(step))
            begun = time.monotonic()
            try:
                done = self.host.run(step.argv, step.timeout)
            except CommandError as error:
                done = Completed(step.argv, error.code, "", error.stderr)
            log.step(self.service, resource.key, done, time.monotonic() - begun)
            if done.code:
                break
        return done


_FINE = Outcome("", Word.IN_SYNC)


def _pause(state: RetryCallState) -> float:
    """Look often at what is on its way; leave more time between two tries of what failed."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Pending):
        return float(min(SLOWEST_LOOK, FIRST_LOOK * 2 ** min(state.attempt_number, 10)))
    return float(AGAIN(state))


def _mounts(keys: Iterable[str]) -> list[str]:
    """Keep only what is still mounted: a host that isolates itself goes on after any other failure."""
    return [key for key in keys if key.startswith("mount ")]


def _isolating(plan: Plan) -> bool:
    return any(move.verb is Verb.ISOLATE for move in plan.down)


def _in_turn(moves: Sequence[Move]) -> dict[str, list[str]]:
    return {move.key: [earlier.key for earlier in moves[:index]] for index, move in enumerate(moves)}
