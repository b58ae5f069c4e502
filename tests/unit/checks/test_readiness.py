"""Every precondition of serving, spoiled on a host that is otherwise ready: what is said, with the command that fixes it."""

from collections.abc import Callable

import pytest

from nvkeep.checks import readiness
from nvkeep.core import reconcile
from nvkeep.host import Completed
from nvkeep.keepalived import CONF, Build, Version, configuration
from nvkeep.model.finding import Finding, Found, Mark, brief
from nvkeep.reconcilers import resources, volumes
from tests.simulation.machine import Machine
from tests.simulation.world import PATH, SERVICE, UNIT, Process, World, cluster, force_role

Spoil = Callable[[Machine], object]


def world(backend: str = "nvmesh") -> World:
    made = World(cluster(backend=backend))
    force_role(made, "b", "BACKUP")
    return made


def standby(made: World) -> Process:
    return Process(made, made.machines["b"])


def found(made: World) -> list[Found]:
    """Look at everything but what traps.seen asks a real keepalived for."""
    return [one for one in readiness.every(standby(made), made.cluster, SERVICE) if one.what != "KEEPALIVED"]


SPOILED: dict[str, tuple[Spoil, Finding]] = {
    "in fstab": (
        lambda one: one.files.update({"/etc/fstab": f"# mine\n/dev/sdb1 {PATH} xfs defaults 0 0\n"}),
        Finding(f"MOUNTPOINT {PATH}", "line 2 of /etc/fstab mounts it as well",
              "sed -i '2s/^/# /' /etc/fstab && systemctl daemon-reload"),
    ),
    "its device in fstab": (
        lambda one: one.files.update({"/etc/fstab": "/dev/nvmesh/vol /elsewhere xfs"}),
        Finding(f"MOUNTPOINT {PATH}", "line 1 of /etc/fstab mounts it as well",
              "sed -i '1s/^/# /' /etc/fstab && systemctl daemon-reload"),
    ),
    "a mount unit": (
        lambda one: one.files.update({"/etc/systemd/system/multi-user.target.wants/srv-nfs.mount": ""}),
        Finding(f"MOUNTPOINT {PATH}", "srv-nfs.mount is enabled, and mounts it as well", "systemctl disable srv-nfs.mount"),
    ),
    "a link": (
        lambda one: one.links.update({"/srv": "/data"}),
        Finding(f"MOUNTPOINT {PATH}", f"/srv is a symbolic link: {PATH} would be mounted elsewhere",
              f"write the real path: realpath {PATH}"),
    ),
    "not there and full": (
        lambda one: one.full.add("/srv/*"),
        Finding(f"MOUNTPOINT {PATH}", f"{PATH} is not there, and cannot be made (full)", "findmnt -T /; df /"),
    ),
    "masked": (
        lambda one: setattr(one.units[UNIT], "file", "masked"),
        Finding(f"SERVICE {UNIT}", f"{UNIT} is masked", f"systemctl unmask {UNIT}"),
    ),
    "enabled": (
        lambda one: setattr(one.units[UNIT], "file", "enabled"),
        Finding(f"SERVICE {UNIT}", f"{UNIT} is enabled at boot, and nvkeep starts it", f"systemctl disable {UNIT}"),
    ),
    "not installed": (
        lambda one: setattr(one.units[UNIT], "file", "not-found"),
        Finding(f"SERVICE {UNIT}", f"systemd knows no unit {UNIT}", f"install it on this host; systemctl status {UNIT}"),
    ),
    "the interface is down": (
        lambda one: one.down.add("sv0"),
        Finding("INTERFACE sv0", "there is no interface sv0 here", "ip -br link"),  # this world shows no more of it in sysfs
    ),
    "nothing can be recorded": (
        lambda one: one.full.add("/run/nvkeep/*"),
        Finding("STATE", "nothing can be recorded in /run/nvkeep (full)", "df -h /run/nvkeep; df -i /run/nvkeep"),
    ),
}  # fmt: skip

CALLED = {
    "the interface is down": "no witness answers: this host is cut off"
}  # a pass has said so before it asks what is lacking


def test_a_host_that_is_ready_lacks_nothing() -> None:
    made = world()
    assert [one for one in found(made) if one.mark is not Mark.OK] == []
    assert {one.what.split()[0] for one in found(made)} == {
        "BACKEND", "VOLUME", "MOUNTPOINT", "FILE", "INTERFACE", "SERVICE", "STATE",
    }  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_unmet_is_named_with_what_mends_it(name: str) -> None:
    made = world()
    spoil, said = SPOILED[name]
    spoil(made.machines["b"])
    assert [Finding(one.what, one.why, one.fix) for one in found(made) if one.mark is Mark.NOT_OK] == [said]
    report = made.make_pass("b")
    assert report is not None
    assert not report.eligible
    assert report.eligible_why == CALLED.get(name, str(said))


def test_keepalived_that_is_not_as_generated_is_named_with_the_line() -> None:
    made = world()
    text = configuration(made.cluster, "b", Build(Version(2, 2, 7)))
    made.machines["b"].write(CONF, text.replace("nopreempt", "preempt"), durable=True)
    report = made.make_pass("b")
    assert report is not None
    assert "says `preempt`, cluster.yaml makes it `nopreempt`; nvkeep keepalived --install" in report.eligible_why


def test_what_cannot_be_told_is_not_unmet() -> None:
    made = world()
    made.machines["b"].unreadable.add("/etc/fstab")
    (mount,) = [one for one in found(made) if one.what.startswith("MOUNTPOINT")]
    assert (mount.mark, str(mount)) == (Mark.UNKNOWN, f"[UNKNOWN] MOUNTPOINT {PATH}: /etc/fstab: Input/output error")
    report = made.make_pass("b")
    assert report is not None
    assert report.eligible


def test_what_a_mount_would_hide_is_said_and_keeps_nobody_from_serving() -> None:
    made = world()
    made.machines["b"].files[f"{PATH}/left behind"] = ""
    (mount,) = [one for one in found(made) if one.what.startswith("MOUNTPOINT")]
    assert mount.mark is Mark.OK
    assert f"not empty (1 entries), and a mount hides them; ls -A {PATH}" in str(mount)


def test_a_missing_tool_is_named_with_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world()
    monkeypatch.setattr("tests.simulation.world.PROGRAMS", ())
    (tool,) = [one for one in found(made) if one.mark is Mark.NOT_OK]
    assert str(tool).startswith("[NOT OK] BACKEND nvmesh: nvmesh_attach_volumes is missing; install the NVMesh client")


def test_an_image_file_that_is_not_there_is_named() -> None:
    made = world(backend="image")
    made.shared.pop("/x/vol.img")
    (volume,) = [one for one in found(made) if one.what.startswith("VOLUME")]
    assert str(volume) == "[NOT OK] VOLUME vol: there is no image file /x/vol.img here; findmnt -T /x/vol.img; ls -l /x/vol.img"


def test_a_pass_of_the_holder_asks_for_none_of_it() -> None:
    made = World(cluster())
    force_role(made, "a", "MASTER")
    made.make_pass("a")
    asked: list[tuple[str, ...]] = []

    class Listening(Process):
        def run(self, argv: object, timeout: float = 10.0) -> Completed:
            asked.append(tuple(argv))  # type: ignore[arg-type]  # of words
            return super().run(argv, timeout)  # type: ignore[arg-type]  # of words

    reconcile.run_pass(Listening(made, made.machines["a"]), made.cluster, SERVICE)
    assert made.serves("a")
    assert not [argv for argv in asked if any("UnitFileState" in word for word in argv)]


def test_several_are_told_by_the_first_and_their_number() -> None:
    many = [Finding("A", "a is wrong", "fix a"), Finding("B", "b is wrong", "fix b")]
    assert brief(many) == "a is wrong; fix a (and 1 more: nvkeep check --host)"
    assert brief([]) == ""


def test_every_backend_says_what_it_lacks_in_two_parts() -> None:
    for backend in ("nvmesh", "image"):
        made = world(backend=backend)
        made.machines["b"].unreadable.add("/proc/nvmeibc/status")
        made.shared.clear()
        (volume,) = volumes(resources(made.cluster, SERVICE, "b"))
        lack = volume.kind.lacking(standby(made), volume.spec)
        assert lack is not None
        assert lack.why
        assert lack.fix
