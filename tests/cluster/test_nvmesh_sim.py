"""The simulated NVMesh behaves as nvmesh.md says the real one does; one lab for all, made fresh before each test."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from lab import steady
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.steady import boottime
from lab.storage import Event, overlaps
from tests.cluster.nvmesh import PROC

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from lab.server import Server

EXCLUSIVE = "EXCLUSIVE_READ_WRITE"
NODE = "/dev/nvmesh/vol1"
TOO_LATE = "Failed to update the volume, reservation version mismatch, please retry"
MISMATCH = "Error while getting attach volume configuration. Reservation version mismatch"
PREEMPT = "please use the preempt flag to transition."
READ = ("dd", f"if={NODE}", "of=/dev/null", "bs=4k", "count=1", "iflag=direct")
WRITE = ("dd", "if=/dev/zero", f"of={NODE}", "bs=4k", "count=1", "seek=20000", "oflag=direct")


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with Lab(install=False, volumes=("vol1", "vol10", "vol2"), commands="both") as running:
        yield running


@pytest.fixture
def lab(shared: Lab) -> Lab:
    for server in shared:
        server.run(("sh", "-c", "umount -l /mnt; systemctl stop opener; systemctl reset-failed"), check=False)
    shared.storage.fresh()
    return shared


def attach(server: Server, *words: str, volumes: str = "vol1", access: str = EXCLUSIVE) -> subprocess.CompletedProcess[str]:
    return server.run(("nvmesh_attach_volumes", "--json", "--access", access, *words, *volumes.split()), check=False)


def detach(server: Server, *words: str, volume: str = "vol1") -> dict[str, str]:
    return said(server.run(("nvmesh_detach_volumes", "--json", *words, volume), check=False), volume)


def said(done: subprocess.CompletedProcess[str], volume: str = "vol1") -> dict[str, str]:
    found: dict[str, str] = json.loads(done.stdout or done.stderr)["volumes"][volume]
    return found


def status(server: Server, volume: str = "vol1") -> dict[str, Any]:
    try:
        text = server.read(f"{PROC}/volumes/{volume}/status.json")
    except FileNotFoundError:
        return {}
    found: dict[str, Any] = json.loads(text)
    return found


def attached(server: Server, volume: str = "vol1") -> bool:
    return server.path(f"{PROC}/volumes/{volume}").exists()


def open_node(server: Server) -> None:
    server.path("/opened").unlink(missing_ok=True)
    script = f"exec 3<{NODE}; echo ready >/opened; exec sleep 60"
    server.run(("systemd-run", "--quiet", "--unit=opener", "sh", "-c", script))
    until(lambda: server.path("/opened").exists(), within=5, what="the device is open")


def new(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return server.run(("nvmesh", *words), check=False)


def ask(server: Server, *words: str, volume: str = "vol1", client: str = "") -> subprocess.CompletedProcess[str]:
    return new(server, "client", "attach", "--id", client or server.name, "--volume", volume, "--mode", EXCLUSIVE, *words)


def drop(server: Server, *words: str, volume: str = "vol1") -> subprocess.CompletedProcess[str]:
    return new(server, "client", "detach", "--id", server.name, "--volume", volume, *words)


def reservation(server: Server, volume: str = "vol1") -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(new(server, "volume", "show", "-n", volume, "-o", "json").stdout)
    table: dict[str, Any] = found[0]["reservation"]
    return table


def live(server: Server) -> None:
    until(lambda: status(server).get("dbg") == "0x200", within=5, what=f"{server.name} has IO")


# --- the log


def event(kind: str, host: str, mode: str = EXCLUSIVE) -> Event:
    return Event(kind, 0.0, 0.0, {"host": host, "mode": mode, "volume": "vol1"})


def test_the_log_would_tell_of_two_holders() -> None:
    both = [event("grant", "a"), event("grant", "b")]
    assert [found.holders for found in overlaps(both)] == [{"a": EXCLUSIVE, "b": EXCLUSIVE}]
    assert overlaps([event("grant", "a"), event("loss", "a"), event("grant", "b")]) == []
    assert overlaps([event("grant", "a", "SHARED_READ_WRITE"), event("grant", "b", "SHARED_READ_WRITE")]) == []
    assert overlaps([event("grant", "a", "SHARED_READ_WRITE"), event("grant", "b")])


def test_every_grant_and_loss_of_write_permission_is_in_the_log(lab: Lab) -> None:
    a, b = lab
    before = len(lab.storage.events("grant", "loss"))
    attach(a, "-w")
    attach(b, "-w", "--preempt")
    detach(b)
    detach(a)
    attach(a, "-w", access="SHARED_READ_ONLY")
    found = lab.storage.events("grant", "loss")[before:]
    told = [(one.kind, one["host"], one["version"], one["why"]) for one in found]
    assert told == [
        ("grant", "srv-a", 2, None),
        ("loss", "srv-a", 2, "preempted"),
        ("grant", "srv-b", 3, None),
        ("loss", "srv-b", 3, "detach"),
    ]
    assert [one.boottime for one in found] == sorted(one.boottime for one in found)
    assert lab.storage.overlaps() == []


# --- the commands of 2.x


def test_shared_modes_go_together_and_other_modes_do_not(lab: Lab) -> None:
    a, b = lab
    assert said(attach(a, "-w", access="SHARED_READ_WRITE")) == {"status": "Attached IO Enabled"}
    assert said(attach(b, "-w", access="SHARED_READ_WRITE")) == {"status": "Attached IO Enabled"}
    assert lab.storage.table()["version"] == 2
    assert "error" not in said(attach(b, access="SHARED_READ_WRITE"))
    assert said(attach(b)) == {"status": "Already Attached", "error": "Already attached with SHARED_READ_WRITE."}
    detach(b)
    assert said(attach(b))["error"] == "Access Mode Denied."
    assert said(attach(b, "-w", "--preempt")) == {"status": "Attached IO Enabled"}
    assert status(a)["attach_status"] == "Preempted"


def test_help_offers_what_the_era_has(lab: Lab) -> None:
    a, b = lab
    helps = {}
    for era in ("1.3", "2.4"):
        lab.storage.configure(era)
        helps[era] = a.run(("nvmesh_attach_volumes", "--help")).stdout
    assert [word in helps["2.4"] for word in ("--access", "--json", "--preempt")] == [True, True, True]
    assert [word in helps["1.3"] for word in ("--access", "--json", "--preempt")] == [False, False, True]
    lab.storage.configure("1.3")
    assert attach(a).returncode == 2
    lab.storage.configure(options=["wait", "access"])
    plain = ("nvmesh_attach_volumes", "--access", EXCLUSIVE, "vol1")
    assert a.run(plain).stderr == "vol1: Attached\n"
    denied = b.run(plain, check=False)
    assert (denied.returncode, denied.stderr) == (
        0,
        "vol1: Reservation mode requested denied Reservation mode requested denied.\n",
    )


def test_a_whole_command_fails_in_several_ways(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.configure(crash=True)
    crashed = attach(a)
    assert (crashed.returncode, json.loads(crashed.stderr)["error_code"]) == (3, 1013)
    lab.storage.configure("2.4", down=True)
    down = attach(a)
    assert (down.returncode, json.loads(down.stderr)["error_code"]) == (1, 1008)
    lab.storage.configure("2.4", noise="notice: {not json}", noise_after="bye", stream="stdout")
    assert [line[:1] for line in attach(a).stdout.splitlines()] == ["n", "{", "b"]
    lab.storage.configure("2.4", garbled="Traceback (most recent call last):")
    assert attach(a).stderr == "Traceback (most recent call last):\n"
    lab.storage.configure("2.4")
    nobody = ("setpriv", "--reuid=65534", "--clear-groups", "nvmesh_attach_volumes", "vol1")
    refused = a.run(nobody, check=False)
    assert (refused.returncode, refused.stderr) == (1, "This script must be run as root. ErrorID: 1046\n")


def test_volumes_fail_one_by_one_or_are_left_out(lab: Lab) -> None:
    a, b = lab
    attach(b, volumes="vol2")
    several = attach(a, volumes="vol1 vol2 none")
    assert said(several) == {"status": "Attached"}
    assert said(several, "vol2")["error"] == "Access Mode Denied."
    assert said(several, "none")["status"] == "Attach Failed"
    assert several.returncode == 1
    lab.storage.fail({}, "vol10")
    assert list(json.loads(attach(a, volumes="vol1 vol10").stderr)["volumes"]) == ["vol1"]
    assert detach(a, volume="none")["status"] == "Unknown Volume"
    lab.storage.fail({"status": "Access Version Outdated", "error": "Access Version Outdated."}, "vol10")
    assert said(attach(a, volumes="vol10"), "vol10")["status"] == "Access Version Outdated"
    assert not attached(a, "vol10")


def test_commands_queue_behind_the_lock_of_the_host(lab: Lab) -> None:
    a, b = lab
    a.run(
        (
            "systemd-run",
            "--quiet",
            "--unit=opener",
            "flock",
            "/tmp/.nvmesh_attach_lockfile",
            "sh",
            "-c",
            "echo >/opened; sleep 60",
        )
    )
    until(lambda: a.path("/opened").exists(), within=5, what="the lock is held")
    with pytest.raises(LabError, match="no end"):
        a.run(("nvmesh_attach_volumes", "vol1"), timeout=0.6)
    a.run(("systemctl", "stop", "opener"))
    assert said(attach(a)) == {"status": "Attached"}
    assert said(attach(b, volumes="vol2"), "vol2") == {"status": "Attached"}


def test_waiting_has_no_bound(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.io_delay(None)
    with pytest.raises(LabError, match="no end"):
        a.run(("nvmesh_attach_volumes", "-w", "vol1"), timeout=0.6)
    assert (attached(a), status(a)["attach_status"], a.path(NODE).exists()) == (True, "Attaching", True)


def test_a_pending_detach_ends_with_the_last_opener(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.configure(busy="pending")
    attach(a, "-w")
    open_node(a)
    assert detach(a) == {"status": "Pending"}
    until(lambda: "attach_status" not in status(a), within=5, what="it is being detached")
    assert {"dbg", "status", "reservation", "RVMS", "io_enabled"} & set(status(a)) == set()
    assert detach(a)["status"] == "Duplicate Request"
    a.run(("systemctl", "stop", "opener"))
    until(lambda: lab.storage.table()["mode"] == "NONE", within=5, what="it is detached")
    assert not attached(a)


def test_the_client_attaches_again_what_it_had(lab: Lab) -> None:
    a, b = lab
    lab.storage.configure(auto_attach=True)
    attach(a, "-w")
    a.run(("systemctl", "restart", "nvmeshclient"))
    assert status(a)["status"] == "Live, with IO"
    a.run(("systemctl", "stop", "nvmeshclient"))
    attach(b, "-w", "--preempt")
    a.run(("systemctl", "start", "nvmeshclient"))
    assert not attached(a)
    assert lab.storage.overlaps() == []


def test_the_end_of_the_client_detaches_everything_and_keeps_the_reservation(lab: Lab) -> None:
    a, b = lab
    attach(a, "-w")
    open_node(a)
    a.run(("systemctl", "stop", "nvmeshclient"))
    assert (attached(a), a.path(NODE).exists()) == (False, False)
    assert "module state=0 Initializing" in a.read(f"{PROC}/status")
    assert json.loads(attach(a).stderr)["error_code"] == 1008
    assert said(attach(b))["error"] == "Access Mode Denied."
    a.run(("systemctl", "start", "nvmeshclient"))
    assert said(attach(a, "-w")) == {"status": "Attached IO Enabled"}


# --- what a host sees


def test_status_json_in_every_generation(lab: Lab) -> None:
    a = lab["srv-a"]
    attach(a, "-w")
    path = f"{PROC}/volumes/vol1/status.json"
    seen = {}
    for style in ("hex", "int", "old", "jdr", "uneven"):
        lab.storage.configure(style=style)
        seen[style] = status(a)
    assert [seen[style]["dbg"] for style in seen] == ["0x200", 512, "0x200", 512, "0x200"]
    assert {"io_enabled", "attach_status", "RVMS"} & set(seen["old"]) == set()
    assert (seen["jdr"]["io_enabled"], seen["hex"]["io_enabled"]) == (True, 1)
    assert '"type" :  "visible", "type_num" :  "0x0"' in a.read(path)
    lab.storage.configure(style="jdr")
    assert a.read(path).startswith(" {\n    ")


def test_status_json_can_be_spoiled(lab: Lab) -> None:
    a, b = lab
    attach(a, "-w")
    attach(b, "-w", volumes="vol2")
    path = f"{PROC}/volumes/vol1/status.json"
    for kind, text in (("empty", ""), ("garbage", "Detaching...\n"), ("null", "null")):
        lab.storage.defect("srv-a", kind)
        assert a.read(path) == text
    lab.storage.defect("srv-a", "truncated")
    with pytest.raises(json.JSONDecodeError):
        status(a)
    lab.storage.defect("srv-a", "absent")
    assert (a.path(path).exists(), attached(a)) == (False, True)
    lab.storage.defect("srv-a", "detaching")
    assert set(status(a)) == {"name", "uuid", "type", "type_num", "size[blks]", "block[b]"}
    for key in ("reservation", "dbg", "status"):
        lab.storage.defect("srv-a", f"no-{key}")
        assert key not in status(a)
    lab.storage.defect("srv-a", None)
    assert status(a)["dbg"] == "0x200"
    assert status(b, "vol2")["dbg"] == "0x200"
    with pytest.raises(LabError, match="no such thing as nonsense"):
        lab.storage.defect("srv-a", "nonsense")


def test_entries_that_are_no_attachments(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.entry("srv-a", "vol1", "recovery")
    lab.storage.entry("srv-a", "vol1[01.0]796e3992", "hidden")
    lab.storage.entry("srv-a", "e_vol1", "shadow")
    attach(a, volumes="vol10")
    assert sorted(path.name for path in a.path(f"{PROC}/volumes").iterdir()) == [
        "e_vol1",
        "vol1",
        "vol10",
        "vol1[01.0]796e3992",
    ]
    assert (status(a)["type"], status(a)["reservation"], a.path(NODE).exists()) == ("hidden", "Recovery Only", False)
    attach(a, "-w")
    assert (status(a)["type"], a.path(NODE).exists()) == ("visible", True)
    lab.storage.entry("srv-a", "e_vol1", None)
    assert not attached(a, "e_vol1")


@pytest.mark.parametrize(
    ("text", "dbg", "io", "reads", "writes"),
    [
        ("Live, with IO, no protection", "0x200", 1, True, True),
        ("Live, User Requested Read-Only", "0x200", 1, True, False),
        ("Live, Degraded Read-Only", "0x293", 0, True, False),
        ("Live, no IO, Toma Error", "0x212", 0, None, None),
        ("Booting, no IO", "0x280", 0, None, None),
    ],
)
def test_degraded_volumes(lab: Lab, text: str, dbg: str, io: int, reads: bool | None, writes: bool | None) -> None:
    a = lab["srv-a"]
    attach(a, "-w")
    lab.storage.health(text)
    seen = status(a)
    assert (seen["status"], seen["dbg"], seen["io_enabled"], seen["attach_status"]) == (text, dbg, io, "Attached")
    assert (works(a, READ), works(a, WRITE)) == (reads, writes)
    lab.storage.health(None)
    assert (works(a, READ), works(a, WRITE)) == (True, True)


def works(server: Server, argv: tuple[str, ...]) -> bool | None:
    """Return whether a command succeeds; None when it neither does nor fails within half a second."""
    unit = ("systemd-run", "--quiet", "--unit=opener", "-p", "TimeoutStopSec=1", "--wait", "--collect", *argv)
    try:
        return server.run(unit, check=False, timeout=0.7).returncode == 0
    except LabError:
        server.storage.health(None)
        until(
            lambda: server.run(("systemctl", "is-active", "opener"), check=False).stdout != "active\n", within=5, what="the end"
        )
        server.storage.health("Live, no IO, Error")
        return None


def test_io_before_the_first_enable_fails_after_a_while(lab: Lab) -> None:
    a = lab["srv-a"]
    assert lab.storage.table()["mode"] == "NONE"
    lab.storage.io_delay(None)
    lab.storage.first_io(0.5)
    attach(a)
    began = boottime()
    assert a.run(READ, check=False).returncode == 1
    assert boottime() - began > 0.4
    assert steady.seconds(began) < 3


def test_io_blocks_until_a_preempt_and_on_a_host_that_is_cut_off_also_after_it(lab: Lab) -> None:
    a, b = lab
    for how, ends in (("stall", True), ("cut", False)):
        lab.storage.fresh()
        attach(a, "-w")
        if how == "stall":
            lab.storage.stall(host="srv-a")
        else:
            lab.storage.cut("srv-a", "hang")
        assert status(a)["status"] == "Live, no IO, Toma Error"
        a.run(("systemd-run", "--quiet", "--unit=opener", *WRITE))
        time.sleep(0.2)
        assert active(a)
        attach(b, "-w", "--preempt")
        if ends:
            until(lambda: not active(a), within=5, what="the write ends")
        else:
            time.sleep(0.3)
            assert active(a)
            lab.storage.heal("srv-a")
            until(lambda: not active(a), within=5, what="the write ends")
        assert a.run(("systemctl", "is-failed", "opener"), check=False).stdout == "failed\n"
        assert status(a)["status"] == "Reservation Preempted, Only recovery"
        a.run(("systemctl", "reset-failed", "opener"), check=False)
    assert lab.storage.overlaps() == []


def active(server: Server) -> bool:
    return server.run(("systemctl", "is-active", "opener"), check=False).stdout == "active\n"


def test_the_module_has_five_states_and_may_be_absent(lab: Lab) -> None:
    a = lab["srv-a"]
    attach(a, "-w")
    words = ["Initializing", "Ready", "Prepearing for removal", "Zombie, ready to removal", "Exiting"]
    for state, word in enumerate(words):
        lab.storage.client("srv-a", state)
        assert f"module state={state} {word}\n" in a.read(f"{PROC}/status")
        assert attached(a)
    lab.storage.client("srv-a", None)
    assert not a.path(PROC).exists()
    assert json.loads(attach(a).stderr)["error_code"] == 1008
    lab.storage.client("srv-a", 1)
    assert status(a)["dbg"] == "0x200"


# --- the management of 3.x


def test_the_commands_of_one_release_can_be_chosen(lab: Lab) -> None:
    a = lab["srv-a"]
    names = ("nvmesh", "nvmesh_attach_volumes", "nvmesh_detach_volumes")
    for which, there in (
        ("2.x", [False, True, True]),
        ("3.x", [True, False, False]),
        ("both", [True] * 3),
        ("none", [False] * 3),
    ):
        lab.commands(which)
        assert [a.path(f"/usr/bin/{name}").exists() for name in names] == there
    lab.commands("both")
    assert ask(a).stdout == "[vol1] success\n"


def test_success_only_means_that_the_wish_is_recorded(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.management(delay=0.5)
    assert ask(a).stdout == "[vol1] success\n"
    assert not attached(a)
    assert lab.storage.wishes()["srv-a/vol1"]["action"] == "attaching"
    assert reservation(a) == {"mode": 3, "version": 2, "reservedBy": "srv-a", "attachedClients": ["srv-a"]}
    live(a)
    assert drop(a).stdout == "[vol1] success\n"
    assert attached(a)
    until(lambda: not attached(a), within=5, what="it is detached")
    until(lambda: lab.storage.table()["version"] == 3, within=5, what="it is free")
    assert reservation(a) == {"mode": 0, "version": 3, "reservedBy": None, "attachedClients": []}


def test_a_wish_may_come_to_nothing(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.management(fails={"vol1": 5})
    assert ask(a).returncode == 0
    waited = ask(a, "--wait", "--timeout", "5")
    assert (waited.returncode, waited.stdout) == (1, "[vol1] failure: vol_status 5\n")
    lab.storage.management(executes=False)
    waited = ask(a, "--wait", "--timeout", "0", volume="vol2")
    assert (waited.returncode, waited.stdout) == (1, "[vol2] failure: no answer after 0 s\n")
    assert not attached(a)


def test_waiting_is_for_the_management_and_not_for_io(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.io_delay(None)
    assert ask(a, "--wait").stdout == "[vol1] success\n"
    assert (status(a)["attach_status"], status(a)["io_enabled"]) == ("Attaching", 0)
    shown = json.loads(new(a, "client", "show", "-n", "srv-a", "-o", "json").stdout)[0]
    device = shown["block_devices"][0]
    assert (shown["client_status"], device["vol_status"], device["ioEnabled"]) == (1, 4, False)
    assert device["reservation"] == {"mode": 3, "version": 2, "preempt": False}
    assert drop(a, "--wait").returncode == 0
    assert not attached(a)


def test_who_takes_a_volume_needs_its_version_and_preempt(lab: Lab) -> None:
    a, b = lab
    ask(a, "--wait")
    assert ask(a, "--reservation-version", "77").stdout == "[vol1] success\n"  # its own: the version is ignored
    for words, text in (
        ((), MISMATCH),
        (("--preempt",), MISMATCH),
        (("--preempt", "--reservation-version", "1"), MISMATCH),
        (("--reservation-version", "2"), PREEMPT),
    ):
        denied = ask(b, *words)
        assert denied.returncode == 1
        assert denied.stdout.startswith("[vol1] failure: Error while getting attach")
        assert denied.stdout.strip().endswith(text)
    assert lab.storage.table()["version"] == 2
    assert ask(b, "--preempt", "--reservation-version", "2", "--wait").stdout == "[vol1] success\n"
    until(lambda: status(a)["attach_status"] == "Preempted", within=5, what="srv-a is preempted")
    assert (status(a)["reservation_version"], status(a)["RVMS"]) == (2, 3)
    assert reservation(a) == {"mode": 3, "version": 3, "reservedBy": "srv-b", "attachedClients": ["srv-a", "srv-b"]}
    assert lab.storage.overlaps() == []


def test_a_preempted_host_stays_listed_and_keeps_the_volume_reserved(lab: Lab) -> None:
    a, b = lab
    ask(a, "--wait")
    ask(b, "--preempt", "--reservation-version", "2", "--wait")
    drop(b, "--wait")
    assert reservation(a) == {"mode": 3, "version": 3, "reservedBy": "srv-b", "attachedClients": ["srv-a"]}
    assert ask(a).returncode == 1
    drop(a, "--wait")
    assert reservation(a)["mode"] == 0
    assert ask(a, "--wait").returncode == 0
    assert lab.storage.table()["version"] == 5


def test_the_others_can_be_detached_at_once(lab: Lab) -> None:
    a, b = lab
    ask(a, "--wait")
    ask(b, "--preempt", "--reservation-version", "2", "--is-detach-others", "--wait")
    assert reservation(a)["attachedClients"] == ["srv-b"]
    until(lambda: not attached(a), within=5, what="srv-a is detached")
    drop(b, "--wait")
    assert reservation(a)["mode"] == 0


def test_two_requests_for_a_free_volume_both_succeed_and_one_ends_preempted(lab: Lab) -> None:
    a, b = lab
    lab.storage.management(race=1.0)
    for server in lab:
        words = ("nvmesh", "client", "attach", "--id", server.name, "--volume", "vol1", "--mode", EXCLUSIVE)
        server.run(("systemd-run", "--quiet", "--unit=opener", "-p", "StandardOutput=file:/said", *words))
    for server in lab:
        until(lambda server=server: "success" in server.read("/said"), within=8, what=f"{server.name} is told")  # type: ignore[misc]

    def states() -> list[str]:
        return sorted(status(server).get("attach_status", "") for server in lab)

    until(lambda: states() == ["Attached", "Preempted"], within=5, what="one wins")
    assert lab.storage.table()["version"] == 3
    winner = next(server for server in (a, b) if status(server)["attach_status"] == "Attached")
    assert lab.storage.holder() == winner.name
    assert status(winner)["reservation_version"] == 3
    assert lab.storage.overlaps() == []


def test_a_preempted_host_that_asks_again_waits_until_it_has_release(lab: Lab) -> None:
    a, b = lab
    ask(a, "--wait")
    open_node(a)
    ask(b, "--preempt", "--reservation-version", "2", "--wait")
    assert ask(a, "--preempt", "--reservation-version", "3").stdout == "[vol1] success\n"
    until(lambda: lab.storage.wishes()["srv-a/vol1"]["status"] == 1, within=5, what="it is busy")
    assert lab.storage.wishes()["srv-a/vol1"]["action"] == "re-attaching"
    assert (status(a)["reservation_version"], status(a)["attach_status"]) == (2, "Preempted")
    a.run(("systemctl", "stop", "opener"))
    until(
        lambda: status(a).get("reservation_version") == 4 and status(a).get("io_enabled") == 1, within=5, what="it has it again"
    )
    assert status(b)["attach_status"] == "Preempted"


def test_a_detach_of_a_busy_volume_waits_unless_it_is_forced(lab: Lab) -> None:
    a = lab["srv-a"]
    ask(a, "--wait")
    open_node(a)
    waited = drop(a, "--wait", "--timeout", "0")
    assert (waited.returncode, waited.stdout) == (1, "[vol1] failure: no answer after 0 s\n")
    assert (attached(a), lab.storage.wishes()["srv-a/vol1"]["action"]) == (True, "detaching")
    assert drop(a, "--force", "--wait").returncode == 0
    assert (attached(a), a.path(NODE).exists(), active(a)) == (False, False, True)
    assert drop(a).stdout == "[vol1] failure: Volume is not attached to the client\n"


def test_clients_and_volumes_that_are_not_there(lab: Lab) -> None:
    a = lab["srv-a"]
    assert ask(a, client="nobody").stdout == "[vol1] failure: Client not found\n"
    assert ask(a, volume="none,vol2").stdout == "[none] failure: Volume not found\n[vol2] success\n"
    assert json.loads(new(a, "volume", "show", "-n", "none", "-o", "json").stdout) == []
    a.run(("systemctl", "stop", "nvmeshclient"))
    assert ask(a).stdout == "[vol1] failure: Client not found or initializing\n"
    assert json.loads(new(a, "client", "show", "-n", "srv-a", "-o", "json").stdout)[0]["client_status"] == 5
    a.run(("systemctl", "start", "nvmeshclient"))
    lab.storage.management(domain="example.lab")
    assert ask(a).stdout == "[vol1] failure: Client not found\n"
    assert ask(a, "--wait", client="srv-a.example.lab").stdout == "[vol1] success\n"
    assert reservation(a)["reservedBy"] == "srv-a.example.lab"


def test_management_servers_fail_in_several_ways(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.server("mgmt-1", "down")
    assert ask(a).stdout == "[vol1] success\n"  # the other one answers
    lab.storage.server("mgmt-2", "503")
    failed = ask(a)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        "Error: could not connect to management (mgmt-1: Connection refused; mgmt-2: login failed, HTTP 503)\n"
    )
    for code in ("302", "401", "406"):
        lab.storage.server("mgmt-2", code)
        assert f"login failed, HTTP {code}" in ask(a).stderr
    lab.storage.server("mgmt-2", "hang")
    with pytest.raises(LabError, match="no end"):
        a.run(("nvmesh", "volume", "show"), timeout=0.5)
    lab.storage.server("mgmt-1", "up")
    lab.storage.management(slow=0.3)
    began = time.monotonic()
    assert new(a, "-m", "mgmt-1", "volume", "show").stdout == "vol1\nvol10\nvol2\n"
    assert time.monotonic() - began > 0.6
    a.path("/root/.nvmesh/nvmesh.key").unlink()
    assert "no credentials" in ask(a).stderr
    lab.commands("both")


REST = """
import sys
sys.path.insert(0, "/usr/lib/nvmesh-sim")
from nvmesh_sim import ask
def call(server, name, session="", /, **body):
    return ask({"op": "rest", "server": server, "name": name, "session": session, "body": body})
session = call("mgmt-1", "login")["body"]
print(call("mgmt-1", "volume", session)["code"], call("mgmt-2", "volume", session)["code"],
      call("mgmt-1", "attach", session, client="srv-a", volumes=[])["code"])
"""


def test_a_session_is_one_servers_and_a_body_must_fit(lab: Lab) -> None:
    assert lab["srv-a"].run(("python3", "-c", REST)).stdout == "200 302 422\n"


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("nested", MISMATCH),
        ("flat", "Reservation version mismatch"),
        ("text", "The reservation version is outdated, current reservation version is: 2"),
    ],
)
def test_errors_come_in_three_shapes(lab: Lab, shape: str, text: str) -> None:
    a, b = lab
    lab.storage.management(errors=shape)
    ask(a)
    assert ask(b).stdout == f"[vol1] failure: {text}\n"


def test_a_rebooted_host_gets_its_old_volumes_again_with_their_old_version(lab: Lab) -> None:
    a, b = lab
    ask(a, "--wait")
    ask(a, "--wait", volume="vol2")
    a.power_cut()
    assert ask(b, "--preempt", "--reservation-version", "2", "--wait").returncode == 0
    live(b)
    a.power_on()
    until(lambda: attached(a) and attached(a, "vol2"), within=5, what="the volumes are there again")
    until(lambda: status(a, "vol2").get("status") == "Live, with IO", within=5, what="what nobody took works")
    assert (status(a)["attach_status"], status(a)["reservation_version"], status(a)["RVMS"]) == ("Preempted", 2, 3)
    assert a.run(WRITE, check=False).returncode == 1
    assert lab.storage.overlaps() == []


def test_old_and_new_commands_share_one_table(lab: Lab) -> None:
    a, b = lab
    attach(a, "-w")
    assert ask(b).returncode == 1
    ask(b, "--preempt", "--reservation-version", "2", "--wait")
    assert status(a)["attach_status"] == "Preempted"
    detach(a)
    assert detach(b) == {"status": "Detached"}
    assert lab.storage.wishes() == {}
    assert reservation(a)["mode"] == 0
    lab.storage.management(show="object")
    assert json.loads(new(a, "volume", "show", "-n", "vol1", "-o", "json").stdout)["name"] == "vol1"
