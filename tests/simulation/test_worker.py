"""The agent's worker for one service: when it makes a pass."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from nvkeep.agent import worker
from nvkeep.agent.upgrade import Passes
from nvkeep.agent.worker import Worker
from nvkeep.core.reconcile import run_pass
from nvkeep.host.events import Events
from nvkeep.keepalived import answers
from nvkeep.model.spec import Cluster
from nvkeep.model.timers import Timers
from nvkeep.state.service import Store
from tests.simulation.stories import serving
from tests.simulation.world import SERVICE, UNIT, VOLUME, Process, World, cluster, force_role


def work(world: World, *, woken: bool, ago: float = 0.0) -> Worker:
    """Let the worker of a go round once, so long after its last pass: there is no configuration for a second time."""
    configurations: Iterator[Cluster] = iter([world.cluster])
    worker = Worker(Process(world, world.machines["a"]), SERVICE, lambda: next(configurations), Events(), Passes())
    worker.passed = worker.host.now() - ago
    if woken:
        worker.wake.set()
    with pytest.raises(StopIteration):
        worker._work()
    return worker


def test_a_worker_that_is_woken_makes_a_pass() -> None:
    world = serving()
    world.machines["a"].units[UNIT].kill()
    assert not work(world, woken=True).wake.is_set()
    assert world.serves("a")


def test_a_worker_makes_no_pass_while_nothing_is_due() -> None:
    world = serving()
    world.machines["a"].units[UNIT].kill()
    work(world, woken=False)
    assert not world.serves("a")


def test_a_worker_makes_a_pass_after_so_long_a_time_whatever_happens() -> None:
    world = serving()
    world.machines["a"].units[UNIT].kill()
    work(world, woken=False, ago=world.cluster.timing.reconcile)
    assert world.serves("a")


def test_a_worker_makes_a_pass_when_the_volume_is_another_hosts() -> None:
    world = serving()
    world.seize_behind_its_back(VOLUME)
    work(world, woken=False)
    assert world.clean("a")


@pytest.mark.parametrize(("ago", "passes"), [(9.0, False), (10.0, True)])
def test_a_half_master_makes_a_pass_a_second_when_it_is_its_turn_to_step_back(ago: float, *, passes: bool) -> None:
    world = serving(beats=2)
    store = Store(Process(world, world.machines["a"]), SERVICE)
    store.save_timers(Timers(candidate_since=store.host.now() - ago))
    world.machines["a"].units[UNIT].kill()
    work(world, woken=False)
    assert world.serves("a") is passes


@pytest.mark.parametrize(("takes", "free"), [(0.01, 0.09), (0.09, 0.05), (3.0, 0.1)])
def test_the_lock_is_free_for_others_between_two_passes(monkeypatch: pytest.MonkeyPatch, takes: float, free: float) -> None:
    world = serving()
    monkeypatch.setattr(worker, "run_pass", lambda *_, **__: world.advance(takes))
    began = world.clock
    work(world, woken=True)
    assert world.clock - began == pytest.approx(takes + free)


@pytest.fixture
def hearing() -> Iterator[Callable[[Process], None]]:
    """Let a host hear keepalived from now on; nobody does afterwards."""
    yield answers.heard
    answers.quiet.clear()
    answers.answers.clear()


def test_what_keepalived_said_last_takes_no_volume(hearing: Callable[[Process], None]) -> None:
    world = World(cluster())
    host = Process(world, world.machines["a"])
    hearing(host)
    force_role(world, "a", "MASTER")
    assert answers.ask(host).words == (("nfs@hb0", "MASTER"),)
    force_role(world, "a", "BACKUP")
    assert answers.ask(host, anew=False).words == (("nfs@hb0", "MASTER"),)
    run_pass(host, world.cluster, SERVICE, anew=False)
    assert world.clean("a")
    assert not world.commands


def test_what_was_said_before_something_was_heard_is_no_answer(hearing: Callable[[Process], None]) -> None:
    world = World(cluster())
    host = Process(world, world.machines["a"])
    hearing(host)
    force_role(world, "a", "BACKUP")
    answers.ask(host)
    force_role(world, "a", "MASTER")
    run_pass(host, world.cluster, SERVICE, anew=False)
    assert world.clean("a")
    hearing(host)
    run_pass(host, world.cluster, SERVICE, anew=False)
    assert world.serves("a")


@pytest.mark.parametrize("what", ["restarted", "deaf", "old", "never heard"])
def test_an_answer_of_before_does_only_while_keepalived_is_heard(
    hearing: Callable[[Process], None], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    world = World(cluster())
    host = Process(world, world.machines["a"])
    if what != "never heard":
        hearing(host)
    force_role(world, "a", "MASTER")
    answers.ask(host)
    if what == "restarted":
        world.machines["a"].start_keepalived()
    if what == "deaf":
        answers.heard(host, deaf=True)
    if what == "old":
        monkeypatch.setattr(answers, "HOLDS_S", 0.0)
    force_role(world, "a", "BACKUP")
    assert answers.ask(host, anew=False).words == (("nfs@hb0", "BACKUP"),)


def test_a_pass_that_only_announces_asks_keepalived_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    world = serving()
    store = Store(Process(world, world.machines["a"]), SERVICE)
    now = store.host.now()
    store.save_timers(replace(store.timers(), announce_since=now - 20.0, announce_at=now))
    asked: list[bool] = []
    monkeypatch.setattr(worker, "run_pass", lambda *_, anew, **__: asked.append(anew))
    work(world, woken=False)
    assert asked == [False]


def test_a_look_that_leads_to_no_pass_is_not_followed_by_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    world = serving()
    monkeypatch.setattr(worker, "run_pass", lambda *_, **__: None)
    began = world.clock
    work(world, woken=False)
    assert world.clock - began < worker.PASS_FREE_S
