"""Would the simulation notice? Each mutation breaks one line of nvkeep; a part of the suite must fail, for its reason."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tenacity import retry_if_exception_type

from nvkeep import keepalived
from nvkeep.core import engine, flag, liveness, observe, one_pass, plan, reconcile, scope
from nvkeep.core.act import Actor
from nvkeep.core.bookkeeping import Bookkeeping
from nvkeep.core.engine import Engine
from nvkeep.core.one_pass import After, Pass
from nvkeep.core.scope import Scope
from nvkeep.errors import Pending, ProbeError, StepError
from nvkeep.model import decision, eligibility, fencing, finding, timers
from nvkeep.model.decision import Action, Facts, Guard, Holder
from nvkeep.model.report import Word
from nvkeep.model.role import Role, Roles
from nvkeep.model.spec import Timing
from nvkeep.probes import mountinfo
from nvkeep.reconcilers.backends.nvmesh import NvmeshBackend
from nvkeep.reconcilers.mount import MountKind
from nvkeep.reconcilers.service import UnitKind
from nvkeep.state import host as host_state
from nvkeep.state.service import Store
from tests.simulation.schedule import Schedule, Setting
from tests.simulation.states import every_state
from tests.simulation.stories import STORIES
from tests.simulation.test_convergence import failing

Patch = pytest.MonkeyPatch
Change = Callable[[Patch], None]
SETTING = Setting(hosts=2, beats=1, health="", backend="nvmesh")
SCHEDULED = (
    "line 1 removed",
    "line 4 only for a master",
    "the guard is skipped",
    "the guard hears nobody",
    "released upward",
)
MUTATIONS: dict[str, tuple[Change, str, str]] = {}


def mutation(story: str, because: str) -> Callable[[Change], Change]:
    """Register a mutation, the part of the suite that must fail under it, and words of why."""

    def register(change: Change) -> Change:
        MUTATIONS[change.__name__.replace("_", " ")] = (change, story, because)
        return change

    return register


def tell(name: str) -> str:
    """Run a story, or the states named `states BACKEND ROLE`, and give what is wrong."""
    if not name.startswith("states "):
        return STORIES[name]()
    _, backend, role = name.split()
    return " | ".join(failing(list(every_state(backend, role))[::3]).values())


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_well(name: str) -> None:
    assert not STORIES[name]()


def _line(patch: Patch, number: int, **changes: Any) -> None:  # noqa: ANN401 - fields of a Line
    patch.setitem(decision.LINES, number, decision.LINES[number]._replace(**changes))


def forgetful(held: Any) -> Any:  # noqa: ANN401 - a method
    """Make a holder forget that it has lost the volume before."""

    def after(self: Bookkeeping, action: Action, *, moved: bool) -> None:
        held(self, action, moved=moved)
        self.store.save_fencing(fencing.Fencing())

    return after


def _never(_: Facts) -> bool:
    return False


@mutation("a lost volume is isolated at once", r"\(1\)|not isolated|took|clients are answered")
def line_1_removed(patch: Patch) -> None:
    _line(patch, 1, fits=_never)


@mutation("an order releases from the top", "not released")
def line_2_ignores_orders(patch: Patch) -> None:
    _line(patch, 2, fits=lambda f: not f.carrier)


@mutation("without a carrier nothing is held", "held without a carrier")
def line_2_ignores_the_carrier(patch: Patch) -> None:
    _line(patch, 2, fits=lambda f: bool(f.release_why))


@mutation("the holder stays in every role", "it released")
def line_4_only_for_a_master(patch: Patch) -> None:
    _line(patch, 4, fits=lambda f: f.holder is Holder.ME and f.role is Role.MASTER)


@mutation("an unreadable holder changes nothing", "acted blindly")
def line_5_removed(patch: Patch) -> None:
    _line(patch, 5, fits=_never)


@mutation("a backup does not take what is free", "took as BACKUP")
def line_6_for_every_role(patch: Patch) -> None:
    _line(patch, 6, fits=lambda f: f.holder in (Holder.NOBODY, Holder.UNTOLD))


@mutation("states nvmesh BACKUP", "not clean")
def line_8_leaves_things_behind(patch: Patch) -> None:
    _line(patch, 8, action=lambda _: Action.WAIT)


@mutation("a service that answers is not seized", r"\(5\)")
def the_guard_is_skipped(patch: Patch) -> None:
    _line(patch, 7, action=lambda _: Action.SEIZE)


@mutation("a service that answers is not seized", r"\(5\)")
def the_guard_hears_nobody(patch: Patch) -> None:
    patch.setattr(liveness, "answered", lambda *_: False)


@mutation("a service that an agent hears is not seized", r"\(5\)")
def the_watch_is_taken_for_silent(patch: Patch) -> None:
    patch.setattr(liveness, "known", lambda _host, _service, _timing, watched: Guard.SILENT if watched() else Guard.UNASKED)


@mutation("a role that goes while the guard asks takes nothing", "without the role")
def what_was_seen_before_the_guard_does(patch: Patch) -> None:
    seen = observe.observe
    patch.setattr(one_pass, "observe", lambda *words, **named: seen(*words, **named)._replace(at=float("inf")))


@mutation("a silence that is too short is waited for", r"\(5\)|not asked before")
def a_moment_of_silence_is_enough(patch: Patch) -> None:
    patch.setattr(Timing, "liveness_window", lambda *_: 0.0)


@mutation("a dead holder is replaced", r"\(5\)")
def the_guard_asks_once(patch: Patch) -> None:
    patch.setattr(liveness, "PROBES", 2)


@mutation("a lost volume is not taken back soon", "seized back")
def a_loss_does_not_count(patch: Patch) -> None:
    _line(patch, 7, fits=lambda f: f.holder is Holder.ANOTHER and f.role is Role.MASTER and f.witness)


@mutation("a lost volume is not taken back soon", "seized back")
def a_loss_is_not_recorded(patch: Patch) -> None:
    patch.setattr(Bookkeeping, "_lost", lambda self, *, taken: self.store.claim(held=False))  # noqa: ARG005 - its signature


@mutation("a lost volume is not taken back soon", "seized back")
def a_first_loss_is_over_at_once(patch: Patch) -> None:
    patch.setattr(fencing, "FIRST_FENCING_S", 0.5)


@mutation("a lost record counts as a loss", "seized although")
def a_lost_record_is_none(patch: Patch) -> None:
    before = Store.fencing
    patch.setattr(Store, "fencing", lambda self: before(self) if self.host.read else fencing.Fencing())
    patch.setattr("nvkeep.state.service.Fencing", lambda *_, **__: fencing.Fencing())


@mutation("an unreadable mount table keeps the volume", r"\(4\)|release")
def unknown_reads_as_absent(patch: Patch) -> None:
    def table(host: Any, *_: str) -> tuple[mountinfo.Place, ...]:  # noqa: ANN401 - a Host
        try:
            return mountinfo.places(host.read(mountinfo.TABLE))
        except OSError:
            return ()

    patch.setattr(mountinfo, "table", table)


@mutation("an unreadable mount table keeps the volume", r"\(4\)|release")
def unknown_keeps_nothing(patch: Patch) -> None:
    patch.setattr(plan, "_tainted", lambda _resources, keys, *, upward: set(keys))  # noqa: ARG005 - its signature


@mutation("an order releases from the top", r"\(4\)|ran into")
def released_upward(patch: Patch) -> None:
    def run(self: Engine, resources: Any, plan: Any) -> Any:  # noqa: ANN401 - as the engine's
        below = {one.key: one.needs for one in resources}
        return tuple(self._walk(resources, tuple(reversed(plan.down)), below, dict.fromkeys(below, ()), {}).values())

    before = Engine.run
    patch.setattr(Engine, "run", lambda self, resources, plan: (run if plan.down else before)(self, resources, plan))


@mutation("a stuck mount keeps its volume", r"\(4\)|under a mount")
def what_is_stuck_keeps_nothing(patch: Patch) -> None:
    patch.setattr(engine, "SETTLED", frozenset(Word))


@mutation("a lost and stuck mount keeps its device", r"\(4\)|under the mount")
def isolation_does_not_stop_at_a_mount(patch: Patch) -> None:
    patch.setattr(MountKind, "keeps", False)


@mutation("a command that lies is not believed", r"\(2\) .* while /srv/nfs is not mounted")
def the_exit_code_is_believed(patch: Patch) -> None:
    """Run the commands and ask for no more than their codes: what is there now is not looked at again."""

    def trying(self: Engine, resource: Any, change: Any, _: Any) -> None:  # noqa: ANN401 - as the engine's
        last = self._commands(resource, change.steps if change else ())
        if last and last.code:
            raise resource.kind.judge(resource.spec, last)

    patch.setattr(Engine, "_try", trying)


@mutation("all volumes or none", "a fencing that was none|kept a part")
def a_part_is_kept(patch: Patch) -> None:
    patch.setattr(Pass, "_release", lambda *_: None)


@mutation("an order releases from the top", "still claimed")
def the_claim_is_not_cleared(patch: Patch) -> None:
    before = Store.claim
    patch.setattr(Store, "claim", lambda self, *, held: before(self, held=True) if held else None)


@mutation("the holder stays in every role", "not claimed")
def the_claim_is_not_made(patch: Patch) -> None:
    before = Store.claim
    patch.setattr(Store, "claim", lambda self, *, held: None if held else before(self, held=held))


@mutation("without a carrier nothing is held", "the flag is up")
def the_flag_is_never_lowered(patch: Patch) -> None:
    before = Store.save_flag
    patch.setattr(Store, "save_flag", lambda self, *, up: before(self, up=up or self.flag()))


@mutation("a service that answers is not seized", "back off")
def a_yield_does_not_count(patch: Patch) -> None:
    before = eligibility.eligible
    patch.setattr(flag, "eligible", lambda facts, standing: before(facts, standing._replace(yielding="")))


@mutation("a unit that fails at once moves the service", "the flag is up")
def a_failure_does_not_cool(patch: Patch) -> None:
    patch.setattr(Scope, "cooling", lambda _: "")


@mutation("a unit that fails at once moves the service", "kept")
def a_failure_lets_nothing_go(patch: Patch) -> None:
    patch.setattr(Pass, "_give_up", lambda *_: None)


@mutation("without a carrier nothing is held", "given away before the volume")
def the_flag_goes_with_the_carrier(patch: Patch) -> None:
    patch.setattr(flag, "unplugged", lambda *_: False)


@mutation("hosts that never hear each other end after three takeovers", "taken in turns")
def a_first_loss_is_forgotten(patch: Patch) -> None:
    patch.setattr(Bookkeeping, "_held", forgetful(Bookkeeping._held))


@mutation("a service that does not start is held after three tries", "tried")
def a_start_that_fails_costs_nothing(patch: Patch) -> None:
    patch.setattr(Bookkeeping, "failed", lambda *_: None)


@mutation("a unit that dies again and again moves", "a goes on")
def a_unit_that_dies_costs_nothing(patch: Patch) -> None:
    patch.setattr(Bookkeeping, "died_too_often", lambda *_: False)


@mutation("what is not heard is seized after patience without health", "not taken")
def patience_never_ends(patch: Patch) -> None:
    patch.setattr(observe, "_waited", lambda *_: False)


@mutation("what is not heard is seized after patience without health", r"\(5\)")
def there_is_no_patience(patch: Patch) -> None:
    patch.setattr(observe, "_waited", lambda *_: True)


@mutation("what is healthy is never seized", r"\(5\)")
def patience_ends_whatever_the_health(patch: Patch) -> None:
    waited = observe._waited

    def blind(scope: Scope, roles: Roles, reserved: str, now: float) -> bool:
        scope.vouched = False
        return waited(scope, roles, reserved, now)

    patch.setattr(observe, "_waited", blind)


@mutation("a bare connection vouches for nobody", "not taken")
def whatever_is_given_vouches(patch: Patch) -> None:
    patch.setattr(scope, "vouches", lambda health: health is not None)


@mutation("a master that was heard while listening is not seized", r"\(5\)|heard")
def adverts_are_not_counted(patch: Patch) -> None:
    patch.setattr(Scope, "adverts", lambda *_: 0)


@mutation("what cannot be determined after a takeover is left to another", "b does not serve")
def unknown_is_waited_for_without_end(patch: Patch) -> None:
    patch.setattr(Pass, "_undetermined", lambda *_: [])


@mutation("a host whose pass does not come to its turn may not have the role", "goes on saying")
def whoever_waits_keeps_the_flag(patch: Patch) -> None:
    patch.setattr(reconcile, "_lower_unless_held", lambda *_: None)


@mutation("what stood once is served on when it cannot be asked", "given up")
def every_unknown_is_given_up(patch: Patch) -> None:
    def undetermined(self: Pass, outcomes: Any) -> Any:  # noqa: ANN401 - outcomes, as of a pass
        return [outcome for outcome in outcomes if outcome.word is Word.UNKNOWN and self.host.now() > 100.0]

    patch.setattr(Pass, "_undetermined", undetermined)


@mutation("what stood once is served on when it cannot be asked", "no other host may ask")
def a_holder_need_not_see_what_it_holds(patch: Patch) -> None:
    patch.setattr(flag, "UNSEEN_LIMIT_S", float("inf"))


@mutation("a router that answers for every address keeps nobody for ever", "nobody takes it")
def an_answer_counts_for_ever(patch: Patch) -> None:
    patch.setattr(flag, "ANSWERED_LIMIT_S", float("inf"))


@mutation("a dead holder is replaced", "not taken over")
def a_denial_is_any_failure(patch: Patch) -> None:
    patch.setattr(NvmeshBackend, "judge", lambda *_: StepError("failed"))


@mutation("an umount that is late is tried again", "gave up")
def nothing_is_tried_again(patch: Patch) -> None:
    patch.setattr(engine, "retry_if_exception_type", lambda _: retry_if_exception_type(Pending))


@mutation("an umount that is late is tried again", "gave up")
def a_late_umount_is_final(patch: Patch) -> None:
    patch.setattr(MountKind, "judge", lambda _self, _spec, done: StepError(done.err))


@mutation("a slow start is waited for", "not waited for")
def a_start_is_not_waited_for(patch: Patch) -> None:
    patch.setattr(UnitKind, "pending", lambda *_, **__: False)


@mutation("a half master that was denied tries again after a while only", "in five minutes")
def a_denial_is_forgotten(patch: Patch) -> None:
    patch.setattr(timers, "DENIED_AGAIN_S", 0.0)


@mutation("a half master that was denied tries again after a while only", "never taken|in five minutes")
def a_denial_is_for_ever(patch: Patch) -> None:
    patch.setattr(timers, "DENIED_AGAIN_S", float("inf"))


@mutation("states nvmesh CANDIDATE", "not serves|still changing")
def first_io_is_not_waited_for(patch: Patch) -> None:
    patch.setattr(NvmeshBackend, "pending", lambda *_, **__: False)


@mutation("a volume lost while its unit stops for an hour is isolated at once", "without holding it")
def a_release_does_not_look_up(patch: Patch) -> None:
    patch.setattr(Actor, "_still", lambda _: None)


@mutation("a volume taken in the middle stops the pass", "started on a lost volume")
def a_pass_does_not_look_up(patch: Patch) -> None:
    patch.setattr(Actor, "_still", lambda _: None)


@mutation("a volume taken in the middle stops the pass", "not isolated in the same pass")
def a_pass_does_not_change_its_mind(patch: Patch) -> None:
    patch.setattr(Pass, "_after", lambda *_: After.DONE)


@mutation("a lost volume is isolated at once", r"\(1\)|took|not isolated")
def isolation_waits_for_the_unit(patch: Patch) -> None:
    patch.setattr(UnitKind, "isolate", UnitKind.release)


@mutation("a lost volume is isolated at once", "clients are answered")
def isolation_begins_with_the_unit(patch: Patch) -> None:
    patch.setattr(UnitKind, "turn", -1)


@mutation("states nvmesh BACKUP", "not clean")
def any_attachment_is_held(patch: Patch) -> None:
    before = observe.merge_holders
    patch.setattr(observe, "merge_holders", lambda words, **how: before(words, **(how | {"ours": True})))


@mutation("the holder stays in every role", "it released")
def a_killed_keepalived_is_an_order(patch: Patch) -> None:
    patch.setattr(observe, "_stopped", lambda _, roles: "" if roles.words else "keepalived is gone")


@mutation("a backup does not take what is free", "took as BACKUP")
def any_answer_of_keepalived_is_master(patch: Patch) -> None:
    def ask(_: object, **__: object) -> Roles:
        return Roles(tuple((f"nfs@{name}", "MASTER") for name in ("hb0", "sv0")), "x")

    patch.setattr(keepalived, "ask", ask)


@mutation("a full disk does not stop the holder", "the pass ended")
def a_full_disk_stops_the_pass(patch: Patch) -> None:
    def tolerant(_self: Bookkeeping, what: str) -> Any:  # noqa: ANN401 - a context
        class Strict:
            def __enter__(self) -> None:
                pass

            def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
                if isinstance(error, OSError):
                    raise ProbeError(what) from error

        return Strict()

    patch.setattr(Bookkeeping, "tolerant", tolerant)


@mutation("a standby that is not ready does not get the role and says why", "ready, or not told")
def readiness_does_not_count(patch: Patch) -> None:
    before = eligibility.eligible
    patch.setattr(flag, "eligible", lambda facts, standing: before(facts, standing._replace(unready="")))


@mutation("a holder that is not ready keeps serving", "the flag of the holder is down")
def a_holder_must_be_ready_too(patch: Patch) -> None:
    patch.setattr(flag, "unready_because", lambda scope, observation: finding.brief(flag.unready(scope, observation)))


@mutation("a host that goes down hands over in order", "not released")
def the_end_of_the_system_is_overlooked(patch: Patch) -> None:
    patch.setattr(host_state, "leaving", lambda _: False)


@pytest.fixture
def mutated(request: pytest.FixtureRequest, monkeypatch: Patch) -> Iterator[tuple[str, str]]:
    change, story, because = MUTATIONS[request.param]
    change(monkeypatch)
    yield story, because
    monkeypatch.undo()


def test_random_schedules_notice_as_well(monkeypatch: Patch) -> None:
    noticed = {}
    for name in SCHEDULED:
        with monkeypatch.context() as patch:
            MUTATIONS[name][0](patch)
            noticed[name] = next(filter(None, (Schedule(number, SETTING).run() for number in range(40))), "")
    assert all(noticed.values()), [name for name, text in noticed.items() if not text]


@pytest.mark.parametrize("mutated", MUTATIONS, indirect=True)
def test_a_mutation_is_noticed(mutated: tuple[str, str], bugs: list[str]) -> None:
    story, because = mutated
    try:
        text = tell(story)
    except (AssertionError, StepError, OSError) as error:
        text = f"{type(error).__name__}: {error}"
    assert text, f"nobody notices: {story}"
    assert not bugs, f"the mutation itself is broken, which shows nothing: {bugs[0]}"
    assert re.search(because, text), f"{story} fails for another reason: {text[:2000]}"


def test_a_mutation_that_is_broken_itself_shows_nothing(monkeypatch: Patch, bugs: list[str]) -> None:
    """The story speaks as if it had noticed something: of that fault it sees no more than `unknown`."""
    monkeypatch.setattr(Engine, "_try", lambda _self, _resource: None)
    assert tell("a command that lies is not believed").startswith("believed: ")
    assert "takes 2 positional arguments but 4 were given" in bugs[0]
    bugs.clear()


def test_the_states_that_mutations_are_run_on_are_many() -> None:
    assert len(MUTATIONS) > 50
    assert sum(1 for _ in every_state("nvmesh", "BACKUP")) > 1000
