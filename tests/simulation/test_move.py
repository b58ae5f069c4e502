"""`nvkeep move`: the other host takes a free volume, or the service is back where it was; no trace of the order stays."""

import pytest

from nvkeep.cli.move import Move
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


def move(world: World, *, other: bool) -> int:
    process = Watched(world, world.machines["a"])
    process.other = other
    code = Move(process, world.cluster, SERVICE).run()
    assert not process.names("/run/nvkeep/moving")
    assert not world.violations
    return code


def test_the_other_host_takes_a_free_volume(capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert move(world, other=True) == 0
    assert world.serves("b")
    assert world.clean("a")
    assert not any("--preempt" in argv for _, argv, _ in world.commands)
    assert "another host serves it" in capsys.readouterr().out


def test_what_nobody_takes_is_served_here_again(capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert move(world, other=False) == 1
    assert world.serves("a")
    assert "no other host took it within 10 s" in capsys.readouterr().err


def test_what_does_not_let_go_turns_round_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    world.faults.append(Fault("nvkeep umount", code=1, err="pid 7 (/bin/sh) works in it", times=1000))
    assert move(world, other=True) == 1
    assert world.serves("a")
    said = capsys.readouterr().err
    assert "stuck mount" in said
    assert "pid 7 (/bin/sh)" in said
    assert "it does not let go" in said


def test_a_move_that_was_killed_is_over_after_its_time() -> None:
    world = serving()
    process = Process(world, world.machines["a"])
    Move(process, world.cluster, SERVICE).store.order_move(process.now() + 30.0)
    assert Move(process, world.cluster, SERVICE).store.moving()
    world.advance(31.0)
    assert not Move(process, world.cluster, SERVICE).store.moving()
