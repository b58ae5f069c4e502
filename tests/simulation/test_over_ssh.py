"""What is ordered over several hosts: on all or none, never into the void, and told as it is."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from nvkeep.admin.orders import order, order_everywhere, start_everywhere, stop_here
from nvkeep.admin.peers import Peers
from nvkeep.admin.switchover import Switchover
from nvkeep.core.scope import Scope
from nvkeep.errors import Busy, NvkeepError
from nvkeep.model.override import Kind
from nvkeep.state.orders import Overrides, Timestamps
from nvkeep.status.service import service_status
from tests.simulation.ssh import FULL, Lively, Ssh, at, looks
from tests.simulation.stories import flag, passes, serving
from tests.simulation.world import SERVICE, UNIT, Killed, Process, World, cluster, force_role

__all__ = ["looks"]


def three() -> World:
    world = World(cluster(("a", "b", "c")))
    for name, role in (("c", "BACKUP"), ("b", "BACKUP"), ("a", "MASTER")):
        force_role(world, name, role)
        world.make_pass(name)
    assert world.serves("a")
    return world


def keep_from_starting(world: World, name: str, seconds: float) -> None:
    """Have every pass on a host die before it starts the unit, for so long: all but the unit is there."""
    until = world.clock + seconds

    def die(process: Process, argv: tuple[str, ...]) -> None:
        if process.name == name and argv[:2] == ("systemctl", "start") and world.clock < until:
            raise Killed

    world.hook = die


# --- a move


def test_a_host_that_makes_no_passes_may_not_take_over() -> None:
    world = serving()
    world.advance(600.0)
    standing = service_status(Scope(at(world, "b"), world.cluster, SERVICE))
    assert flag(world, "b")
    assert (standing.eligible, standing.eligible_why.partition(";")[0]) == (False, "no pass for more than 30 s")


def test_what_a_master_that_does_nothing_does_not_take_is_taken_back_whatever_keepalived_says() -> None:
    world = serving()
    for machine in world.machines.values():
        machine.keepalived.forced = False
    moved = Switchover(Ssh(world, world.machines["a"]), world.cluster, SERVICE, "b").run()
    assert moved.here
    assert world.serves("a")
    assert world.machines["b"].keepalived.instances[0].word == "MASTER"
    assert not any("--preempt" in argv for _, argv, _ in world.commands)
    assert not world.violations


@pytest.mark.parametrize("takes", [0.3, 25.0])  # seconds; a host that has begun is given a step of 20
def test_one_of_three_that_may_not_take_it_does_not_make_a_move_fail(takes: float) -> None:
    world = three()
    world.machines["b"].units[UNIT].start_takes = takes
    order(at(world, "c"), Kind.STANDBY, "", "disks", by="anna")
    world.make_pass("c")
    keep_from_starting(world, "b", 2.0)
    assert Switchover(Lively(world, world.machines["a"]), world.cluster, SERVICE).run().to == "b"
    assert world.serves("b")
    assert world.clean("a")
    assert not world.violations


def test_after_a_move_the_host_that_it_left_stands_by_at_once() -> None:
    world = serving()
    assert Switchover(Lively(world, world.machines["a"]), world.cluster, SERVICE).run().to == "b"
    assert flag(world, "a")


def test_a_second_move_meanwhile_is_refused() -> None:
    world = serving()
    process = Ssh(world, world.machines["a"])
    with Timestamps(process, SERVICE).alone(), pytest.raises(Busy, match="nfs is being moved already"):
        Switchover(Ssh(world, world.machines["a"]), world.cluster, SERVICE).run()
    assert world.serves("a")
    assert not world.changes(0, "a")


def test_only_a_host_that_says_it_may_take_it_is_one() -> None:
    world = serving()
    process = Ssh(world, world.machines["a"])
    Peers(process, world.cluster, SERVICE).refuse_in_vain()
    process.unheard = frozenset("b")
    with pytest.raises(NvkeepError, match=r"stays where it is: b cannot be asked whether it may take it \(ssh b true\)"):
        Peers(process, world.cluster, SERVICE).refuse_in_vain()
    with pytest.raises(NvkeepError, match="cannot be asked"):
        Switchover(process, world.cluster, SERVICE).run()
    assert not world.changes(0, "a")


# --- an order for several hosts


@pytest.mark.parametrize("kind", [Kind.STOPPED, Kind.MAINTENANCE])
@pytest.mark.parametrize("full", ["b", "c"])
def test_what_one_host_refuses_is_ordered_on_none(kind: Kind, full: str) -> None:
    world = three()
    process = Ssh(world, world.machines["a"])
    process.full = frozenset(full)
    with pytest.raises(NvkeepError, match=r"No space left on device.*; it is ordered on no host$") as said:
        order_everywhere(Peers(process, world.cluster, SERVICE), kind, "x")
    assert FULL in str(said.value)
    assert not any(Overrides(at(world, name)).in_force(SERVICE) for name in "abc")


def test_the_same_order_again_keeps_whose_it_is() -> None:
    world = serving()
    first = order(at(world, "a"), Kind.STANDBY, "", "new disks", by="anna")
    world.advance(60.0)
    assert order(at(world, "a"), Kind.STANDBY, "", "", by="bert") == first
    assert order(at(world, "a"), Kind.STANDBY, "", "new disks", by="bert") == first
    assert order(at(world, "a"), Kind.STANDBY, "", "new memory", by="bert").owner == "bert"


@pytest.mark.parametrize(("slow", "served"), [(1.0, True), (60.0, False)])
def test_served_is_said_when_it_is_and_not_when_an_address_answers(slow: float, served: bool) -> None:
    world = serving()
    for name in "ab":
        order(at(world, name), Kind.STOPPED, SERVICE, "x", by="anna")
        passes(world, name, 3.0)
    keep_from_starting(world, "b", slow)
    assert start_everywhere(Lively(world, world.machines["a"]), world.cluster, SERVICE) is served
    assert (world.machines["b"].units[UNIT].active == "active") is served


# --- a service that nobody can ask for


def test_handed_over_without_addresses_it_is_forgotten_when_another_host_holds() -> None:
    plain = cluster(backend="image")  # a storage that tells who holds
    bare = replace(plain.services[SERVICE], addresses=())
    world = World(replace(plain, services={SERVICE: bare}))
    for name, role in (("b", "BACKUP"), ("a", "MASTER")):
        force_role(world, name, role)
        world.make_pass(name)
    stop_here(at(world, "a"), world.cluster, SERVICE)
    passes(world, "a", 3.0)
    assert kept(world) == ["a"]
    force_role(world, "a", "FAULT")
    force_role(world, "b", "MASTER")
    passes(world, "b", 3.0)
    passes(world, "a", 3.0)
    assert kept(world) == []
    assert flag(world, "a")


def kept(world: World) -> Sequence[str]:
    """Name the hosts that have handed it over."""
    return [name for name in world.machines if Overrides(at(world, name)).in_force(SERVICE)]
