"""Orders by hand: what they release, what they leave alone, how they end, and that they outlive a reboot."""

import pytest

from nvkeep.admin.drain import Drain
from nvkeep.admin.orders import order, start_here, stop_here
from nvkeep.core.observe import observe
from nvkeep.core.scope import Scope
from nvkeep.model.override import Kind
from nvkeep.state.files import LEAVING
from nvkeep.state.orders import DIRECTORY, Overrides
from nvkeep.status.service import service_status
from tests.simulation.stories import claimed, flag, passes, serving
from tests.simulation.world import SERVICE, UNIT, VOLUME, Process, World, force_role

STANDBY, STOPPED, AWAY, MAINTENANCE = Kind.STANDBY, Kind.STOPPED, Kind.AWAY, Kind.MAINTENANCE


def at(world: World, name: str) -> Process:
    return Process(world, world.machines[name])


def give(world: World, name: str, kind: Kind, lasting: float = 0.0) -> None:
    order(at(world, name), kind, "" if kind is STANDBY else SERVICE, "new disks", by="anna", lasting=lasting)


def summary(world: World, name: str) -> str:
    return str(service_status(Scope(at(world, name), world.cluster, SERVICE)).summary)


@pytest.mark.parametrize("kind", [STANDBY, STOPPED, AWAY])
def test_an_order_lets_go_from_the_top_and_the_other_host_seizes_nothing(kind: Kind) -> None:
    world = serving()
    give(world, "a", kind)
    passes(world, "a", 2.0)
    assert world.clean("a")
    assert not flag(world, "a")
    assert [argv[0] for _, argv, _ in world.commands][:1] == ["systemctl"]
    force_role(world, "b", "MASTER")
    passes(world, "b", 3.0)
    assert world.serves("b")
    assert not any("--preempt" in argv for _, argv, _ in world.commands)
    assert not world.violations


def test_a_standby_survives_a_reboot_and_takes_nothing_until_it_is_activated() -> None:
    world = serving()
    give(world, "a", STANDBY)
    passes(world, "a", 2.0)
    world.machines["a"].power_cut()
    world.machines["a"].power_on()
    force_role(world, "a", "MASTER")
    passes(world, "a", 60.0)
    assert world.clean("a")
    assert summary(world, "a") == "standby"
    Overrides(at(world, "a")).end(STANDBY, "")
    passes(world, "a", 3.0)
    assert world.serves("a")
    assert summary(world, "a") != "standby"


def test_an_order_that_was_ended_does_not_come_back_with_a_power_cut() -> None:
    world = serving()
    give(world, "b", STANDBY)
    Overrides(at(world, "b")).end(STANDBY, "")
    world.machines["b"].power_cut()
    world.machines["b"].power_on()
    assert Overrides(at(world, "b")).read(STANDBY, "") is None


def test_what_was_handed_over_by_hand_is_taken_again_only_after_another_host_has_served_it() -> None:
    world = serving()
    stop_here(at(world, "a"), world.cluster, SERVICE)
    passes(world, "a", 60.0)
    assert world.clean("a")
    assert not flag(world, "a")
    force_role(world, "a", "FAULT")
    force_role(world, "b", "MASTER")
    passes(world, "b", 3.0)
    assert world.serves("b")
    passes(world, "a", 3.0)
    assert flag(world, "a")
    assert Overrides(at(world, "a")).read(AWAY, SERVICE) is None


def test_a_host_that_a_move_passes_by_keeps_its_order_while_the_old_host_serves_and_forgets_it_at_its_end() -> None:
    world = serving()
    order(at(world, "b"), AWAY, SERVICE, "it is being moved to c", lasting=30.0)
    passes(world, "b", 10.0)
    assert world.serves("a")
    assert Overrides(at(world, "b")).release_order(SERVICE)
    passes(world, "b", 30.0)
    assert Overrides(at(world, "b")).read(AWAY, SERVICE) is None
    assert flag(world, "b")


def test_in_maintenance_nothing_is_done_and_the_roles_stay() -> None:
    world = serving()
    for name in ("a", "b"):
        give(world, name, MAINTENANCE)
        world.make_pass(name)
    assert (flag(world, "a"), flag(world, "b")) == (True, False)
    world.machines["a"].units[UNIT].kill()
    world.machines["a"].addresses.clear()
    force_role(world, "b", "MASTER")
    for name in ("a", "b"):
        passes(world, name, 30.0)
    assert not world.commands
    assert (flag(world, "a"), flag(world, "b")) == (True, False)
    assert (claimed(world, "a"), claimed(world, "b")) == (True, False)
    assert (summary(world, "a"), summary(world, "b")) == ("maintenance", "maintenance")
    marks = {line.title: line.mark for line in service_status(Scope(at(world, "a"), world.cluster, SERVICE)).lines}
    assert marks == {"VOLUME": "[OK]", "MOUNTPOINT": "[OK]", "FLOATING IP": "[NOT OK]", "SERVICE": "[NOT OK]"}
    assert "nvkeep maintenance nfs --end" in str(world.make_pass("a"))


def test_in_maintenance_a_lost_volume_is_said_and_left() -> None:
    world = serving()
    give(world, "a", MAINTENANCE)
    world.seize_behind_its_back(VOLUME)
    report = world.make_pass("a")
    assert report is not None
    assert "(else: isolate: another host has taken the volume from this host)" in report.why
    assert not world.commands
    Overrides(at(world, "a")).end(MAINTENANCE, SERVICE)
    passes(world, "a", 3.0)
    assert world.clean("a")


def test_a_host_in_maintenance_that_goes_down_lets_go_in_order() -> None:
    world = serving()
    give(world, "a", MAINTENANCE)
    world.machines["a"].files[LEAVING] = ""
    passes(world, "a", 2.0)
    assert world.clean("a")
    assert not world.violations


def test_an_order_is_over_at_its_time_and_says_so_until_it_is_ended() -> None:
    world = serving()
    give(world, "a", MAINTENANCE, lasting=60.0)
    world.machines["a"].units[UNIT].kill()
    passes(world, "a", 50.0)
    assert not world.commands
    passes(world, "a", 20.0)
    assert world.serves("a")
    warnings = service_status(Scope(at(world, "a"), world.cluster, SERVICE)).warnings
    assert any("was over at" in one and "nvkeep maintenance nfs --end" in one for one in warnings)
    assert summary(world, "a") == "degraded"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"kind": "standby"}', '{"until": "soon"}'])
@pytest.mark.parametrize("kind", Kind)
def test_an_order_that_cannot_be_read_lets_nothing_go_stops_no_repair_and_takes_nothing(kind: Kind, text: str) -> None:
    world = serving()
    world.machines["a"].units[UNIT].kill()
    for name in ("a", "b"):
        world.machines[name].files[f"{DIRECTORY}/{kind}" + ("" if kind is STANDBY else f".{SERVICE}")] = text
        passes(world, name, 3.0)
    assert world.serves("a")
    assert not flag(world, "b")
    assert any("nvkeep override end" in one for one in service_status(Scope(at(world, "a"), world.cluster, SERVICE)).warnings)


def test_a_problem_hides_no_other_one() -> None:
    world = serving()
    files = world.machines["b"].files
    files[f"/run/nvkeep/role/{SERVICE}"] = "king"
    files[f"{DIRECTORY}/{AWAY}.{SERVICE}"] = files[f"/run/nvkeep/held/{SERVICE}"] = "{"
    role, order, held = observe(Scope(at(world, "b"), world.cluster, SERVICE)).problems
    assert f"nvkeep role {SERVICE} --unset" in role
    assert f"nvkeep override end {AWAY} {SERVICE}" in order
    assert f"nvkeep reset {SERVICE}" in held
    passes(world, "b", 2.0)
    assert not flag(world, "b")


def test_what_another_host_serves_meanwhile_is_handed_over() -> None:
    """The pass of the agent that was under way ends the order, before the one that was to carry it out begins."""
    world = serving()
    host = at(world, "b")
    before = host.now()
    report = Drain(host, world.cluster, SERVICE).run()
    assert (report.did, report.gone) == ("rest", True)
    assert host.now() - before < 1.0
    assert world.serves("a")


def test_started_by_hand_without_keepalived_it_stays_until_keepalived_is_stopped_again() -> None:
    world = serving()
    stop_here(at(world, "a"), world.cluster, SERVICE)
    world.machines["a"].stop_keepalived("inactive")
    passes(world, "a", 20.0)
    assert world.clean("a")
    assert start_here(at(world, "a"), world.cluster, SERVICE).settled
    assert world.serves("a")
    passes(world, "a", 60.0)
    assert world.serves("a")
    world.machines["a"].stop_keepalived("inactive")
    passes(world, "a", 20.0)
    assert world.clean("a")


def test_started_by_hand_it_is_never_seized_from_a_host_that_serves() -> None:
    world = serving()
    report = start_here(at(world, "b"), world.cluster, SERVICE)
    assert report.did == "yield"
    assert world.serves("a")
    assert flag(world, "b")  # it hears the other one well, and goes on to stand by
    assert not any("--preempt" in argv for _, argv, _ in world.commands)


def test_started_by_hand_it_is_seized_from_a_host_that_is_dead() -> None:
    world = serving()
    world.machines["a"].power_cut()
    assert start_here(at(world, "b"), world.cluster, SERVICE).settled
    assert world.serves("b")
    assert not world.violations
