"""`nvkeep move`: the other host takes a free volume, or the service is back where it was; no trace of the order stays."""

import pytest

from nvkeep.admin.switchover import Result, Switchover
from nvkeep.errors import NotHere
from nvkeep.model.report import Word
from nvkeep.state.orders import Timestamps
from tests.simulation.stories import flag, serving
from tests.simulation.world import SERVICE, Fault, Process, World, force_role


class Watched(Process):
    """srv a's `nvkeep move`; while it waits, the other host makes passes if `other` says so."""

    other = False

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.other and not flag(self.world, "a"):
            force_role(self.world, "b", "MASTER")
            self.world.make_pass("b")


def move(world: World, *, other: bool) -> Result:
    process = Watched(world, world.machines["a"])
    process.other = other
    force_role(world, "a", "MASTER")
    moved = Switchover(process, world.cluster, SERVICE, force=True).run()  # it has no ssh
    assert not process.names("/run/nvkeep/moving")
    assert not world.violations
    return moved


def test_the_other_host_takes_a_free_volume() -> None:
    world = serving()
    assert move(world, other=True).to == "another host"  # without ssh nobody says which
    assert world.serves("b")
    assert world.clean("a")
    assert not any("--preempt" in argv for _, argv, _ in world.commands)


def test_what_nobody_takes_is_served_here_again() -> None:
    world = serving()
    assert move(world, other=False) == Result(why="no other host took it within 10 s", here=True)
    assert world.serves("a")


def test_what_does_not_release_turns_round_and_is_named() -> None:
    world = serving()
    world.faults.append(Fault("nvkeep umount", code=1, err="pid 7 (/bin/sh) works in it", times=1000))
    begun = world.clock
    moved = move(world, other=True)
    assert world.serves("a")
    assert moved.why == "it is not released"
    assert moved.left is not None
    (stuck,) = moved.left.having(Word.STUCK)
    assert stuck.key.startswith("mount ")
    assert "pid 7 (/bin/sh)" in stuck.reason
    assert world.clock - begun < 4 * world.cluster.timing.step


def test_a_move_that_was_killed_is_over_after_its_time() -> None:
    world = serving()
    process = Process(world, world.machines["a"])
    timestamps = Timestamps(process, SERVICE)
    timestamps.order_move(process.now() + 30.0)
    assert timestamps.moving()
    world.advance(31.0)
    assert not timestamps.moving()


def test_only_to_another_host_of_the_service() -> None:
    world = serving()
    for name in ("a", "x"):
        with pytest.raises(NotHere, match="it may run on a, b"):
            Switchover(Process(world, world.machines["a"]), world.cluster, SERVICE, name)
