"""The agent's worker for one service: when it makes a pass."""

from collections.abc import Iterator

import pytest

from nvkeep.agent import worker
from nvkeep.agent.upgrade import Passes
from nvkeep.agent.worker import Worker
from nvkeep.host.events import Events
from nvkeep.model.spec import Cluster
from tests.simulation.stories import serving
from tests.simulation.world import SERVICE, UNIT, VOLUME, Process, World


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


@pytest.mark.parametrize(("takes", "free"), [(0.01, 0.09), (0.09, 0.05), (3.0, 0.1)])
def test_the_lock_is_free_for_others_between_two_passes(monkeypatch: pytest.MonkeyPatch, takes: float, free: float) -> None:
    world = serving()
    monkeypatch.setattr(worker, "run_pass", lambda *_, **__: world.advance(takes))
    began = world.clock
    work(world, woken=True)
    assert world.clock - began == pytest.approx(takes + free)
