"""Short stories, each with one thing that must hold: they return "", and every mutation must make one of them speak."""

from collections.abc import Callable
from dataclasses import replace

from nvkeep.keepalived import CONF
from nvkeep.model.report import Report, Word
from nvkeep.model.role import Role
from nvkeep.model.timers import DENIED_AGAIN_S
from nvkeep.state.files import LEAVING
from nvkeep.state.service import Store
from tests.simulation.parts import EXCLUSIVE, Placed
from tests.simulation.world import ADDRESS_ON, IP, PATH, SERVICE, UNIT, VOLUME, Fault, Kill, Process, World, cluster, force_role

Story = Callable[[], str]
STORIES: dict[str, Story] = {}
FAST = 12.0  # seconds a pass may take that waits for nothing


def story(tell: Story) -> Story:
    """Register a story under its own name."""
    STORIES[tell.__name__.replace("_", " ")] = tell
    return tell


def serving(**how: object) -> World:
    """Build a world in which a serves as MASTER and b waits as BACKUP."""
    world = World(cluster(**how))
    force_role(world, "a", "MASTER")
    force_role(world, "b", "BACKUP")
    world.make_pass("b")
    world.make_pass("a")
    assert world.serves("a"), world.commands
    assert not world.violations
    world.commands.clear()
    return world


def watched() -> World:
    """Build a world in which a serves, and the agent of b hears what answers for the address."""
    world = serving()
    world.watching = True
    world.advance(1.0)
    return world


def unheard(**how: object) -> World:
    """Build a world in which a serves, and b hears nothing of it: the heartbeat is cut, the service network is not."""
    world = serving(**how)
    for machine in world.machines.values():
        machine.keepalived.forced = False
    world.cuts.add("hb0")
    return world


def told(world: World, *checks: tuple[bool, str]) -> str:
    """Say the first thing that does not hold."""
    if world.violations:
        return f"unsafe: {world.violations[0]}"
    return next((text for fine, text in checks if not fine), "")


def flag(world: World, name: str) -> bool:
    return Store(Process(world, world.machines[name]), SERVICE).flag()


def claimed(world: World, name: str) -> bool:
    return f"/run/nvkeep/claim/{SERVICE}" in world.machines[name].files


def losses(world: World, name: str) -> int:
    return Store(Process(world, world.machines[name]), SERVICE).fencing().count


def words(report: Report | None) -> set[Word]:
    return {one.word for one in report.outcomes} if report else set()


def passes(world: World, name: str, seconds: float) -> None:
    end = world.clock + seconds
    while world.clock < end:
        world.advance(1.0)
        world.make_pass(name)


@story
def a_lost_volume_is_isolated_at_once() -> str:
    world = serving()
    world.machines["a"].units[UNIT].stop_takes = 3600.0
    world.seize_behind_its_back(VOLUME)
    begun = world.clock
    world.make_pass("a")
    first = world.commands[0][1] if world.commands else ()
    return told(
        world,
        (world.clean("a"), f"not isolated: {world.commands}"),
        (world.clock - begun < FAST, f"isolating took {world.clock - begun:.1f} s"),
        (first[:3] == ("ip", "addr", "del"), f"clients are answered until the end: first `{first}`"),
        (not claimed(world, "a"), "still claimed"),
    )


@story
def a_volume_lost_while_its_unit_stops_for_an_hour_is_isolated_at_once() -> str:
    world = serving()
    world.machines["a"].units[UNIT].stop_takes = 3600.0
    world.machines["a"].stop_keepalived("inactive")
    world.advance(6.0)
    begun = world.clock

    def seize(_: Process, argv: tuple[str, ...]) -> None:
        if argv[:2] == ("systemctl", "stop") and world.hook:
            world.hook = None
            world.seize_behind_its_back(VOLUME)

    world.hook = seize
    world.make_pass("a")
    return told(
        world,
        (world.clean("a"), f"not isolated in the same pass: {world.commands}"),
        (world.clock - begun < FAST, f"isolating took {world.clock - begun:.1f} s"),
    )


@story
def a_lost_volume_is_not_taken_back_soon() -> str:
    world = serving()
    world.seize_behind_its_back(VOLUME)
    passes(world, "a", 50.0)
    early = any("--preempt" in argv for _, argv, _ in world.commands)
    force_role(world, "a", "MASTER")
    passes(world, "a", 30.0)
    return told(world, (not early, "seized back with a fencing record"), (world.serves("a"), "never taken again"))


@story
def the_holder_stays_in_every_role() -> str:
    world = serving(beats=2)
    for role in ("BACKUP", "FAULT", "CANDIDATE", "NONE"):
        force_role(world, "a", role)
        passes(world, "a", 8.0)
        if not world.serves("a") or world.changes(0, "a"):
            return f"as {role} it released: {world.commands}"
    return told(world, (claimed(world, "a"), "not claimed"))


@story
def an_unreadable_mount_table_keeps_the_volume() -> str:
    world = serving()
    world.machines["a"].unreadable.add("/proc/self/mountinfo")
    world.machines["a"].stop_keepalived("inactive")
    passes(world, "a", 10.0)
    held = world.machines["a"].holds(VOLUME)
    world.machines["a"].unreadable.clear()
    passes(world, "a", 3.0)
    return told(world, (held, "the volume was released, mounted or not"), (world.clean("a"), "never release"))


@story
def an_unreadable_holder_changes_nothing() -> str:
    world = serving()
    world.machines["a"].unreadable.add("/proc/nvmeibc/volumes/*")
    for role in ("MASTER", "BACKUP"):
        force_role(world, "a", role)
        passes(world, "a", 4.0)
    return told(world, (not world.changes(0, "a"), f"acted blindly: {world.commands}"), (world.serves("a"), "stopped"))


@story
def an_order_releases_from_the_top() -> str:
    world = serving()
    world.machines["a"].stop_keepalived("inactive")
    world.make_pass("a")
    soon = bool(world.changes(0))
    passes(world, "a", 7.0)
    failed = [entry for entry in world.commands if entry[2]]
    return told(
        world,
        (not soon, "release before keepalived was stopped for long"),
        (world.clean("a"), f"not released: {world.commands}"),
        (not failed, f"ran into {failed}"),
        (not claimed(world, "a"), "still claimed"),
    )


@story
def a_stuck_mount_keeps_its_volume() -> str:
    world = serving()
    world.machines["a"].units[UNIT].immortal = True
    world.machines["a"].stop_keepalived("inactive")
    passes(world, "a", 30.0)
    held = world.machines["a"].holds(VOLUME)
    detached = any(argv[0].startswith("nvmesh_detach") for _, argv, _ in world.commands)
    return told(world, (held and not detached, f"release under a mount: {world.commands[-3:]}"))


@story
def a_lost_and_stuck_mount_keeps_its_device() -> str:
    world = serving()
    world.machines["a"].units[UNIT].immortal = True
    world.seize_behind_its_back(VOLUME)
    report = world.make_pass("a")
    return told(
        world,
        (Word.STUCK in words(report) or Word.BLOCKED in words(report), "not told that it is stuck"),
        (not any(one.lost for one in world.machines["a"].mounts), "the device was taken from under the mount"),
    )


@story
def a_command_that_lies_is_not_believed() -> str:
    world = World(cluster())
    force_role(world, "a", "MASTER")
    world.faults.append(Fault("mount -t", code=0, err=""))
    report = world.make_pass("a")
    return told(world, (Word.FAILED in words(report), f"believed: {words(report)}"))


@story
def all_volumes_or_none() -> str:
    world = World(cluster(volumes=2, beats=2))
    force_role(world, "a", "CANDIDATE")
    force_role(world, "b", "BACKUP")
    world.machines["b"].attach_by_hand("vol1", EXCLUSIVE)
    world.make_pass("a")
    return told(
        world,
        (world.clean("a"), f"kept a part: {list(world.machines['a'].attached)}"),
        (not losses(world, "a"), "it recorded a fencing that was none"),
    )


@story
def all_volumes_or_none_also_when_killed_between_them() -> str:
    for number in range(1, 20):
        for after in (False, True):
            world = World(cluster(volumes=2, beats=2))
            force_role(world, "a", "CANDIDATE")
            force_role(world, "b", "BACKUP")
            world.machines["b"].attach_by_hand("vol1", EXCLUSIVE)
            world.make_pass("a", Kill(number, after))
            passes(world, "a", 3.0)
            parts = (world.clean("a"), f"kept a part: {list(world.machines['a'].attached)}")
            none = (not losses(world, "a"), "it recorded a fencing that was none")
            if text := told(world, parts, none):
                return f"killed at {number} (after={after}): {text}"
    return ""


@story
def two_volumes_are_taken_and_released_in_order() -> str:
    for backend in ("nvmesh", "image"):
        world = serving(volumes=2, backend=backend)
        world.machines["a"].stop_keepalived("inactive")
        world.advance(6.0)
        world.make_pass("a")
        if text := told(world, (world.clean("a"), f"{backend}: not released: {world.commands}")):
            return text
    return ""


@story
def one_of_two_volumes_lost_is_all_lost() -> str:
    for volume in ("vol", "vol1"):
        world = serving(volumes=2)
        world.seize_behind_its_back(volume)
        world.make_pass("a")
        if text := told(world, (world.clean("a"), f"kept a part: {list(world.machines['a'].attached)}")):
            return text
    return ""


@story
def a_backup_does_not_take_what_is_free() -> str:
    world = World(cluster())
    force_role(world, "a", "BACKUP")
    passes(world, "a", 3.0)
    return told(world, (not world.changes(0) and not world.commands, f"took as BACKUP: {world.commands}"))


@story
def a_service_that_answers_is_not_seized() -> str:
    world = serving()
    force_role(world, "b", "MASTER")
    passes(world, "b", 6.0)
    yields = not flag(world, "b")
    return told(
        world,
        (world.serves("a"), "taken from a host that serves"),
        (world.clean("b"), "b has a part of it"),
        (yields, "b does not back off"),
    )


@story
def what_is_not_heard_is_seized_after_patience_without_health() -> str:
    world = unheard()
    passes(world, "b", 8.0)
    early = world.serves("a") and world.clean("b")
    passes(world, "b", 6.0)
    taken = world.serves("b")
    passes(world, "a", 2.0)
    return told(
        world,
        (early, "taken before patience was over"),
        (taken, f"not taken: {world.commands}"),
        (world.clean("a"), "a did not isolate itself"),
    )


@story
def hosts_that_never_hear_each_other_end_after_three_takeovers() -> str:
    world = unheard()
    for _ in range(400):
        world.advance(1.0)
        for name in ("a", "b"):
            world.make_pass(name)
    taken = [name for name, argv, code in world.commands if "--preempt" in argv and not code]
    return told(
        world,
        (0 < len(taken) <= 3, f"taken in turns: {taken}"),
        (sum(map(world.serves, ("a", "b"))) == 1, "it is not served once"),
    )


@story
def a_bell_in_the_middle_of_listening_is_not_having_heard() -> str:
    world = unheard()
    world.make_pass("b")
    world.advance(1.0)
    world.make_pass("b")
    world.advance(10.0)
    world.make_pass("b")
    world.advance(0.3)
    world.make_pass("b")
    passes(world, "b", 3.0)
    return told(world, (world.serves("b"), f"not taken: {world.commands}"))


@story
def a_bare_connection_vouches_for_nobody() -> str:
    world = unheard(health="{tcp: 5432}")
    passes(world, "b", 8.0)
    early = world.serves("a") and world.clean("b")
    passes(world, "b", 6.0)
    return told(world, (early, "taken before patience was over"), (world.serves("b"), f"not taken: {world.commands}"))


@story
def a_master_that_was_heard_while_listening_is_not_seized() -> str:
    """Two adverts of priority 0, forged or of a keepalived that restarts, make a standby master although it is heard."""
    world = unheard()
    passes(world, "b", 1.0)
    world.advance(10.0)
    world.make_pass("b")
    world.make_pass("b")
    (instance,) = world.machines["b"].keepalived.instances
    instance.received += 6
    passes(world, "b", 3.0)
    return told(world, (world.serves("a"), f"seized from a holder that was heard: {world.commands}"))


@story
def what_cannot_be_determined_after_a_takeover_is_left_to_another() -> str:
    """Systemd answers nothing on a: whether the unit runs is unknown, so nobody is served, and nothing has failed either."""
    world = World(cluster())
    world.faults.append(Fault("systemctl show", code=1, err="Failed to connect to bus", times=float("inf"), host="a"))
    for _ in range(150):
        world.advance(1.0)
        for name in ("a", "b"):
            world.make_pass(name)
    return told(
        world, (world.serves("b"), f"b does not serve: {world.commands[-3:]}"), (not flag(world, "a"), "a may take it again")
    )


@story
def a_host_whose_pass_does_not_come_to_its_turn_may_not_have_the_role() -> str:
    world = serving()
    world.shared["locks"] = " ".join(f"{name}:/run/nvkeep/lock/{SERVICE}" for name in ("a", "b"))
    before = flag(world, "a") and flag(world, "b")
    for name in ("a", "b"):
        world.make_pass(name)
    return told(
        world,
        (before, "not both were ready"),
        (not flag(world, "b"), "b goes on saying that it can serve"),
        (flag(world, "a"), "the holder lost its flag"),
    )


@story
def what_stood_once_is_served_on_when_it_cannot_be_asked() -> str:
    world = serving()
    world.faults.append(Fault("systemctl show", code=1, err="Failed to connect to bus", times=float("inf"), host="a"))
    passes(world, "a", 100.0)
    early = world.serves("a") and flag(world, "a")
    passes(world, "a", 50.0)
    return told(
        world,
        (early, "given up for a question that failed"),
        (world.serves("a"), "not served on"),
        (not flag(world, "a"), "no other host may ask whether it answers"),
    )


@story
def a_router_that_answers_for_every_address_keeps_nobody_for_ever() -> str:
    world = World(cluster(backend="image"))
    world.router_answers = True
    passes(world, "a", 20.0)
    early = flag(world, "a")
    for _ in range(40):
        world.advance(1.0)
        for name in ("a", "b"):
            world.make_pass(name)
    return told(world, (not early, "it does not wait at all"), (world.serves("a") or world.serves("b"), "nobody takes it"))


@story
def what_is_healthy_is_never_seized() -> str:
    world = unheard(health="{postgresql: 5432}")
    passes(world, "b", 60.0)
    return told(world, (world.serves("a"), "taken from a host that serves"), (world.clean("b"), "b has a part of it"))


@story
def a_service_that_does_not_start_is_held_after_three_tries() -> str:
    world = World(cluster(cooldown=10))
    force_role(world, "a", "MASTER")
    world.machines["a"].units[UNIT].fails = 1000
    passes(world, "a", 60.0)
    tries = sum(argv[:2] == ("systemctl", "start") for argv in world.changes(0, "a"))
    held, up = Store(Process(world, world.machines["a"], None), SERVICE).held(), flag(world, "a")
    world.machines["a"].units[UNIT].fails = 0
    passes(world, "a", 20.0)
    kept = world.clean("a")
    Store(Process(world, world.machines["a"], None), SERVICE).reset()
    world.make_pass("a")
    return told(
        world,
        (tries == 3, f"tried {tries} times"),
        (held is not None and UNIT in held.why and not up, f"not held: {held}, flag {up}"),
        (kept, "started although it was held"),
        (world.serves("a"), "not started after reset"),
    )


@story
def a_unit_that_dies_again_and_again_moves() -> str:
    world = serving()
    for _ in range(4):
        world.machines["a"].units[UNIT].kill()
        passes(world, "a", 5.0)
    force_role(world, "b", "MASTER")
    world.make_pass("b")
    return told(
        world,
        (world.clean("a") and not flag(world, "a"), f"a goes on: {world.commands[-5:]}"),
        (world.serves("b"), "b did not take it"),
    )


@story
def a_dead_holder_is_replaced() -> str:
    world = serving()
    world.machines["a"].power_cut()
    force_role(world, "b", "MASTER")
    report = world.make_pass("b")
    return told(world, (world.serves("b"), f"not taken over: {report}"), (claimed(world, "b"), "not claimed"))


def _taken_after(silent: float) -> tuple[World, list[tuple[str, ...]]]:
    """Let the active server die, and the other be master so long after; give also how it asked for the volume."""
    world = watched()
    world.machines["a"].power_cut()
    world.advance(silent)
    force_role(world, "b", "MASTER")
    world.make_pass("b")
    return world, [argv for _, argv, _ in world.commands if argv[0] == "nvmesh_attach_volumes"]


@story
def a_silence_that_lasts_is_not_tried_first() -> str:
    world, (first, *more) = _taken_after(1.0)
    return told(world, (world.serves("b"), "not taken over"), ("--preempt" in first and not more, f"tried: {first}, {more}"))


@story
def a_silence_that_is_too_short_is_waited_for() -> str:
    world, (first, *_) = _taken_after(0.3)
    return told(world, (world.serves("b"), "not taken over"), ("--preempt" not in first, f"not asked before: {first}"))


@story
def a_role_that_goes_while_the_guard_asks_takes_nothing() -> str:
    world = serving()
    world.machines["a"].power_cut()
    force_role(world, "b", "MASTER")
    asked: list[float] = []

    def answers(asking: object, ip: str, interface: str) -> bool:  # noqa: ARG001 - as the world has it
        asked.extend([world.clock] if world.commands else ())
        if asked and world.clock > asked[0] + world.cluster.timing.master_down / 2:  # the volume was denied, and the guard asks
            force_role(world, "b", "BACKUP")
        return False

    world.answers = answers  # type: ignore[method-assign]
    world.make_pass("b")
    return told(world, (bool(asked), "nobody was asked"), (world.clean("b"), "taken without the role"))


@story
def a_service_that_an_agent_hears_is_not_seized() -> str:
    world = watched()
    force_role(world, "b", "MASTER")
    passes(world, "b", 6.0)
    return told(world, (world.serves("a"), "taken from a host that serves"), (world.clean("b"), "b has a part of it"))


@story
def a_dead_holder_is_replaced_with_every_way_to_deny() -> str:
    for quirk in ("2.4.0", "exit 0"):
        world = serving()
        world.machines["b"].quirk = quirk
        world.machines["a"].power_cut()
        force_role(world, "b", "MASTER")
        world.make_pass("b")
        if text := told(world, (world.serves("b"), f"{quirk}: not taken over: {world.commands}")):
            return text
    return ""


@story
def a_dead_holder_of_an_image_is_replaced() -> str:
    world = serving(backend="image")
    world.machines["a"].power_cut()
    force_role(world, "b", "MASTER")
    world.make_pass("b")
    return told(world, (world.serves("b"), f"not taken over: {world.commands}"))


@story
def a_backup_takes_nothing() -> str:
    world = serving()
    world.machines["a"].power_cut()
    passes(world, "b", 5.0)
    return told(world, (world.clean("b") and not world.changes(0, "b"), f"took as BACKUP: {world.commands}"))


@story
def without_a_carrier_nothing_is_held() -> str:
    world = serving()
    world.machines["a"].down.add("sv0")
    world.make_pass("a")
    offered, kept = not flag(world, "a"), world.serves("a")
    world.advance(6.0)
    world.make_pass("a")
    gone = world.clean("a")
    passes(world, "a", 5.0)
    return told(
        world,
        (kept, "release for a carrier that was away for a moment"),
        (gone and world.clean("a"), f"held without a carrier: {world.commands}"),
        (not offered, "the role was given away before the volume, so it would have been seized"),
        (not flag(world, "a"), "the flag is up"),
    )


@story
def an_umount_that_is_late_is_tried_again() -> str:
    world = serving()
    world.faults.append(Fault("nvkeep umount", code=124, err="no end after 30 s; killed", times=2))
    world.machines["a"].stop_keepalived("inactive")
    world.advance(6.0)
    world.make_pass("a")
    return told(world, (world.clean("a"), f"gave up: {world.commands}"))


@story
def a_mount_that_is_held_keeps_the_volume_until_it_lets_go() -> str:
    world = serving()
    fault = Fault("nvkeep umount", code=1, err=f"{PATH} is held: pid 4711 (sleep) works in it; type: kill 4711", times=1000)
    world.faults.append(fault)
    world.machines["a"].stop_keepalived("inactive")
    world.advance(6.0)
    first = world.make_pass("a")
    words = {one.key: (str(one.word), one.reason) for one in first.outcomes} if first else {}
    stuck, blocked = words.get(f"mount {PATH}"), words.get(f"volume {VOLUME}", ("", ""))[0]
    kept, lowered = world.machines["a"].holds(VOLUME), not flag(world, "a")
    fault.times = 0
    world.make_pass("a")
    return told(
        world,
        (stuck == ("stuck", fault.err), f"not told by name: {words}"),
        (kept and blocked == "blocked", "the volume was released under a mount"),
        (lowered, "the flag is up"),
        (world.clean("a"), f"not release at last: {world.commands}"),
    )


@story
def a_mount_that_is_held_serves_again_when_the_reason_is_over() -> str:
    world = serving()
    world.faults.append(Fault("nvkeep umount", code=1, err=f"{PATH} is held: pid 4711 (sleep)", times=1))
    world.machines["a"].down.add("sv0")
    world.make_pass("a")
    world.advance(6.0)
    world.make_pass("a")
    stopped, kept = not world.serves("a"), world.machines["a"].holds(VOLUME)
    world.machines["a"].down.clear()
    passes(world, "a", 1.0)
    return told(
        world,
        (stopped and kept, "it released the volume, or went on serving"),
        (world.serves("a"), f"does not serve again: {world.commands}"),
    )


@story
def a_slow_start_is_waited_for() -> str:
    world = World(cluster())
    force_role(world, "a", "MASTER")
    world.machines["a"].units[UNIT].start_takes = 5.0
    world.make_pass("a")
    return told(world, (world.serves("a"), f"not waited for: {world.commands}"))


@story
def a_volume_taken_in_the_middle_stops_the_pass() -> str:
    world = World(cluster())
    force_role(world, "a", "MASTER")

    def seize(_: Process, argv: tuple[str, ...]) -> None:
        if argv[:4] == ("ip", "-4", "addr", "replace"):
            world.seize_behind_its_back(VOLUME)

    world.hook = seize
    world.make_pass("a")
    started = any(argv[:2] == ("systemctl", "start") for _, argv, _ in world.commands)
    return told(
        world, (not started, "the unit was started on a lost volume"), (world.clean("a"), "not isolated in the same pass")
    )


@story
def a_volume_that_two_were_given_was_denied_to_the_one_who_lost_it() -> str:
    world = World(cluster())
    force_role(world, "a", "MASTER")

    def race(process: Process, argv: tuple[str, ...]) -> None:
        if argv[0] == "nvmesh_attach_volumes" and not process.machine.attached:
            process.machine.command(argv)
            world.seize_behind_its_back(VOLUME)

    world.hook = race
    report = world.make_pass("a")
    did = report.did if report else "nothing"
    return told(
        world,
        (Word.FAILED not in words(report), f"told as a failure: {report}"),
        (did in ("seize", "yield"), f"the guard was not asked in the same pass: {report}"),
    )


@story
def a_failure_above_the_volume_lets_the_next_host_try() -> str:
    world = World(cluster())
    force_role(world, "a", "MASTER")
    world.machines["a"].units[UNIT].fails = 1000
    world.make_pass("a")
    return told(world, (world.clean("a"), f"kept: {world.commands[-4:]}"), (not claimed(world, "a"), "still claimed"),
                (not flag(world, "a"), "the flag is up"))  # fmt: skip


@story
def a_hanging_command_costs_its_timeout_and_no_more() -> str:
    for late in (False, True):
        world = World(cluster())
        force_role(world, "a", "MASTER")
        world.faults.append(Fault("nvmesh_attach", hangs=True, late=late))
        passes(world, "a", 60.0)
        if not world.serves("a"):
            return f"never came back (late={late}): {world.commands}"
        if world.violations:
            return world.violations[0]
    return ""


@story
def a_full_disk_does_not_stop_the_holder() -> str:
    world = serving()
    world.machines["a"].full.add("/var/*")
    world.machines["a"].files.pop("/var/lib/nvkeep/loss/nfs")
    world.machines["a"].units[UNIT].kill()
    world.advance(1.0)
    report = world.make_pass("a")
    return told(
        world,
        (world.serves("a"), f"not repaired: {world.commands}"),
        (report is not None and report.line == 4, f"the pass ended: {report}"),
    )


@story
def a_full_run_directory_does_not_stop_the_holder() -> str:
    world = serving()
    world.machines["a"].full.add("/run/*")
    world.machines["a"].units[UNIT].kill()
    try:
        passes(world, "a", 3.0)
    except OSError as error:
        return f"the pass ended with {error}"
    return told(world, (world.serves("a"), f"not repaired: {world.commands}"))


@story
def a_full_run_directory_is_no_bug() -> str:
    world = serving()
    world.machines["a"].full.add("/run/*")
    world.advance(1.0)
    report = world.make_pass("a")
    return told(world, (report is not None and report.line == 4, f"the pass ended: {report}"), (world.serves("a"), "stopped"))


@story
def a_standby_that_can_record_nothing_is_not_ready() -> str:
    world = serving()
    world.machines["b"].full |= {"/run/*", "/var/*"}
    report = world.make_pass("b")
    why = report.eligible_why if report else ""
    return told(
        world,
        (not flag(world, "b"), "the flag is 1"),
        ("nothing can be recorded in /run/nvkeep (full)" in why, f"it is not said: {why}"),
    )


@story
def a_host_that_goes_down_hands_over_in_order() -> str:
    for by_hand in (False, True):
        world = serving()
        if by_hand:
            Store(Process(world, world.machines["a"]), SERVICE).set_role(Role.MASTER)
        world.machines["a"].files[LEAVING] = ""
        world.make_pass("a")
        verbs = [(argv[0], argv[1]) for _, argv, _ in world.commands]
        wrong = told(
            world,
            (world.clean("a"), f"not released: {world.commands}"),
            (verbs[:1] == [("systemctl", "stop")], f"first something else: {verbs}"),
            (not flag(world, "a"), "the flag is 1"),
        )
        force_role(world, "b", "MASTER")
        passes(world, "a", 3.0)
        passes(world, "b", 3.0)
        seized = any("--preempt" in argv for _, argv, _ in world.commands)
        wrong = wrong or told(world, (world.serves("b"), "the other does not serve"), (not seized, "the other had to seize"))
        if wrong:
            return wrong
    return ""


@story
def a_keepalived_that_was_never_started_is_no_order() -> str:
    world = serving()
    world.machines["a"].stop_keepalived("inactive")
    world.machines["a"].keepalived.inactive_since = 0.0
    passes(world, "a", 10.0)
    return told(world, (world.serves("a"), "it released"), (not world.changes(0, "a"), f"changed: {world.commands}"))


@story
def broken_records_do_not_stop_the_holder() -> str:
    for path in ("/var/lib/nvkeep/loss/nfs", "/run/nvkeep/standing/nfs", "/run/nvkeep/report/nfs", "/run/nvkeep/claim/nfs"):
        for text in ("", "{", "[1]", "null", '{"loss": 3, "boot": 7}', '{"cooling_until": "x", "yielding": 3}'):
            world = serving()
            world.machines["a"].files[path] = text
            world.machines["a"].units[UNIT].kill()
            passes(world, "a", 3.0)
            if not world.serves("a"):
                return f"{path} = {text!r}: {world.commands}"
            if world.violations:
                return world.violations[0]
    return ""


@story
def unreadable_records_do_not_stop_the_holder() -> str:
    for path in ("/var/*", "/run/nvkeep/standing/*", "/run/nvkeep/claim/*"):
        world = serving()
        world.machines["a"].unreadable.add(path)
        world.machines["a"].units[UNIT].kill()
        passes(world, "a", 3.0)
        if not world.serves("a"):
            return f"{path} unreadable: {world.commands}"
    return ""


@story
def a_lost_record_counts_as_a_loss() -> str:
    world = serving()
    world.machines["a"].power_cut()
    force_role(world, "b", "MASTER")
    world.machines["b"].files.pop("/var/lib/nvkeep/loss/nfs")
    passes(world, "b", 40.0)
    early = any("--preempt" in argv for _, argv, _ in world.commands)
    force_role(world, "b", "MASTER")
    passes(world, "b", 60.0)
    return told(world, (not early, "seized although its record was lost"), (world.serves("b"), "never taken"))


@story
def an_address_removed_is_mended_in_place() -> str:
    world = serving()
    world.machines["a"].addresses.clear()
    passes(world, "a", 2.0)
    others = [argv for argv in world.changes(0) if argv[0] != "ip"]
    return told(world, (world.serves("a"), f"not fixed: {world.machines['a'].addresses}"), (not others, f"and more: {others}"))


@story
def a_second_copy_of_the_address_costs_no_volume() -> str:
    world = serving()
    world.machines["a"].replace_address((f"{IP}/25", "dev", "sv0", "label", "sv0"))
    passes(world, "a", 3.0)
    detached = any(argv[0].startswith("nvmesh_detach") for _, argv, _ in world.commands)
    return told(world, (world.serves("a"), f"not fixed: {world.machines['a'].addresses}"), (not detached, "release the volume"))


@story
def a_loss_lowers_the_flag_in_the_same_pass() -> str:
    world = serving()
    world.seize_behind_its_back(VOLUME)
    world.make_pass("a")
    return told(world, (not flag(world, "a"), "the flag stays 1 after a loss: the other host cannot become master"))


@story
def an_image_taken_and_given_back_meanwhile_is_isolated() -> str:
    for role in ("MASTER", "BACKUP"):
        world = serving(backend="image")
        world.seize_behind_its_back(VOLUME)
        world.set_lease(world.images[VOLUME], None)
        force_role(world, "a", role)
        world.make_pass("a")
        stopped = [argv for _, argv, _ in world.commands if argv[0] in ("umount", "systemctl")]
        killed = any(argv[:2] == ("systemctl", "kill") for argv in stopped)
        if not killed:
            return f"as {role} it flushes onto a volume that another host has written meanwhile, or runs on: {stopped}"
        if world.violations:
            return world.violations[0]
    return ""


@story
def a_device_without_io_is_release_of() -> str:
    world = serving()
    world.machines["a"].attached[VOLUME].io_at = 1e9
    passes(world, "a", 60.0)
    return told(world, (world.clean("a"), "held for a minute although its device does no I/O (line 3)"),
                (not flag(world, "a"), "the flag is up"))  # fmt: skip


@story
def a_unit_that_fails_at_once_moves_the_service() -> str:
    world = World(cluster())
    force_role(world, "a", "MASTER")
    world.machines["a"].units[UNIT].fails = 1000
    world.machines["a"].units[UNIT].start_takes = 0.0
    world.make_pass("a")
    return told(world, (world.clean("a"), f"kept: {world.commands[-4:]}"), (not claimed(world, "a"), "still claimed"),
                (not flag(world, "a"), "the flag is up"))  # fmt: skip


def tries(world: World, name: str, seconds: float) -> int:
    """Count how often a host asks for the volume while it makes a pass a second."""
    world.commands.clear()
    passes(world, name, seconds)
    return sum("nvmesh_attach_volumes" in argv for _, argv, _ in world.commands)


@story
def a_half_master_that_was_denied_tries_again_after_a_while_only() -> str:
    world = serving(beats=2)
    force_role(world, "b", "CANDIDATE")
    first, later = tries(world, "b", 1.0), tries(world, "b", 300.0)
    force_role(world, "b", "BACKUP")
    passes(world, "b", 1.0)
    force_role(world, "b", "CANDIDATE")
    anew = tries(world, "b", 1.0)
    world.machines["a"].stop_keepalived("inactive")
    world.advance(6.0)
    world.make_pass("a")
    passes(world, "b", DENIED_AGAIN_S)
    return told(
        world,
        (first == 1, f"tried {first} times at first"),
        (3 <= later <= 5, f"tried {later} times in five minutes"),
        (anew == 1, f"tried {anew} times with the role anew"),
        (world.serves("b"), "free, and never taken"),
    )


@story
def a_volume_that_came_off_a_half_master_is_taken_again_whatever_was_denied_before() -> str:
    world = serving(beats=2)
    force_role(world, "a", "CANDIDATE")
    store = Store(Process(world, world.machines["a"]), SERVICE)
    store.save_timers(replace(store.timers(), denied_at=store.host.now()))
    world.machines["a"].detach(("--force", VOLUME))
    world.make_pass("a")
    world.make_pass("a")
    return told(world, (not losses(world, "a"), "recorded a fencing that was none"), (world.serves("a"), "not taken again"))


@story
def two_half_masters_agree_when_the_holder_is_dead() -> str:
    world = World(cluster(beats=2))
    for name, held in (("a", ("MASTER", "BACKUP")), ("b", ("BACKUP", "MASTER"))):
        world.machines[name].start_keepalived()
        world.make_pass(name)
        for instance, word in zip(world.machines[name].keepalived.instances, held, strict=True):
            instance.word = word
    world.seize_behind_its_back(VOLUME)
    for _ in range(120):
        passes(world, "a", 1.0)
        passes(world, "b", 1.0)
    return told(world, (world.serves("a") or world.serves("b"), "both are CANDIDATE for ever: nobody serves"))


def _masked(world: World, name: str) -> None:
    world.machines[name].units[UNIT].file = "masked"


def _unmasked(world: World, name: str) -> None:
    world.machines[name].units[UNIT].file = "disabled"


def _misconfigured(world: World, name: str) -> None:
    machine = world.machines[name]
    machine.write(CONF, machine.files[CONF].replace("priority", "priority 1 #"), durable=True)


def _configured(world: World, name: str) -> None:
    machine = world.machines[name]
    machine.write(CONF, machine.files[CONF].replace("priority 1 #", "priority"), durable=True)


def _listed(world: World, name: str) -> None:
    world.machines[name].write("/etc/fstab", f"/dev/sdb1 {PATH} xfs defaults 0 0\n", durable=True)


def _unlisted(world: World, name: str) -> None:
    world.machines[name].files.pop("/etc/fstab")


def _linked(world: World, name: str) -> None:
    world.machines[name].links[PATH] = "/data"


def _unlinked(world: World, name: str) -> None:
    world.machines[name].links.pop(PATH)


UNREADY = {
    "is masked; systemctl unmask": (_masked, _unmasked),
    "cluster.yaml makes it": (_misconfigured, _configured),
    "line 1 of /etc/fstab": (_listed, _unlisted),
    f"{PATH} is a symbolic link": (_linked, _unlinked),
}


@story
def a_standby_that_is_not_ready_does_not_get_the_role_and_says_why() -> str:
    for why, (spoil, fix) in UNREADY.items():
        world = serving()
        for machine in world.machines.values():
            machine.keepalived.forced = False
        spoil(world, "b")
        report = world.make_pass("b")
        unready = not flag(world, "b") and report is not None and why in report.eligible_why
        world.machines["a"].power_cut()
        passes(world, "b", 8.0)
        waited = world.clean("b")
        fix(world, "b")
        world.make_pass("b")
        ready = flag(world, "b")
        passes(world, "b", 20.0)
        if text := told(
            world,
            (unready, f"{why}: ready, or not told: {report and report.eligible_why}"),
            (waited, f"{why}: taken by a host that is not ready"),
            (ready, f"{why}: fixed, and not ready with the next pass"),
            (world.serves("b"), f"{why}: fixed, and not taken over"),
        ):
            return text
    return ""


@story
def a_holder_that_is_not_ready_keeps_serving() -> str:
    for why, (spoil, _) in UNREADY.items():
        world = serving()
        for machine in world.machines.values():
            machine.keepalived.forced = False
        spoil(world, "a")
        for _ in range(10):
            passes(world, "a", 2.0)
            passes(world, "b", 2.0)
        did = [argv for argv in world.changes(0) if argv[0] != "ip"]
        if text := told(
            world,
            (flag(world, "a"), f"{why}: the flag of the holder is down"),
            (world.serves("a") and not did, f"{why}: it did not simply stay: {did}"),
        ):
            return text
    return ""


@story
def an_address_that_somebody_else_has_keeps_a_free_volume_from_being_taken() -> str:
    world = World(cluster(backend="image"))
    world.machines["b"].addresses.append(Placed(IP, 24, ADDRESS_ON, ADDRESS_ON))
    world.machines["b"].on = True
    force_role(world, "a", "BACKUP")
    report = world.make_pass("a")
    asked = not flag(world, "a") and report is not None and f"somebody answers for {IP}" in report.eligible_why
    world.machines["b"].addresses.clear()
    world.make_pass("a")
    return told(world, (asked, f"not told: {report and report.eligible_why}"), (flag(world, "a"), "free again, and not ready"))


# What is known to go wrong; the tests expect it, strictly: an entry goes when the package is fixed.
