"""`nvkeep shutdown` on a simulated host: how long it waits, and for what."""

from nvkeep.admin.drain import DRAIN_LIMIT_S, STEP_COUNT, UNKNOWN_LIMIT_S, Drain
from nvkeep.model.report import Report, Word
from nvkeep.state.files import LEAVING
from tests.simulation.stories import flag, serving
from tests.simulation.world import SERVICE, UNIT, VOLUME, Process, World

STEP = 20.0  # seconds: `timing.step` of the simulation's cluster


def leave(world: World) -> tuple[Report, float]:
    world.machines["a"].files[LEAVING] = ""
    begun = world.clock
    report = Drain(Process(world, world.machines["a"]), world.cluster, SERVICE).run()
    return report, world.clock - begun


def test_a_unit_that_stops_slowly_is_waited_for() -> None:
    world = serving()
    world.machines["a"].units[UNIT].stop_takes = 300.0
    world.machines["a"].files[LEAVING] = ""
    world.make_pass("a")
    assert flag(world, "a"), "the other host may become master while the database still writes"
    report, took = leave(world)
    assert report.gone
    assert world.clean("a")
    assert not flag(world, "a")
    assert 300 - STEP - 1 < took < 300 + STEP


def test_a_unit_that_never_stops_is_given_up_and_named() -> None:
    world = serving()
    world.machines["a"].units[UNIT].immortal = True
    report, took = leave(world)
    assert not report.gone
    assert [one.key for one in report.having(Word.CONVERGING)] == [f"service {UNIT}"]
    assert DRAIN_LIMIT_S < took < DRAIN_LIMIT_S + 2 * STEP
    assert world.machines["a"].holds(VOLUME)


def test_what_does_not_release_is_given_up_sooner() -> None:
    world = serving()
    world.machines["a"].detach_delay = 1e9
    report, took = leave(world)
    assert not report.gone
    assert not flag(world, "a")
    assert took < (STEP_COUNT + 2) * STEP


def test_what_cannot_be_told_holds_nothing_up() -> None:
    world = serving()
    world.machines["a"].unreadable.add("/proc/nvmeibc/*")
    world.machines["a"].units[UNIT].kill()
    report, took = leave(world)
    assert report.having(Word.UNKNOWN)
    assert took < UNKNOWN_LIMIT_S + STEP


def test_a_host_that_holds_nothing_goes_at_once() -> None:
    world = serving()
    world.machines["b"].files[LEAVING] = ""
    begun = world.clock
    assert Drain(Process(world, world.machines["b"]), world.cluster, SERVICE).run().gone
    assert world.clock - begun < 1
    assert world.serves("a")
