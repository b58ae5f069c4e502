"""What nvkeep answers to everything NVMesh does, on real servers with the simulated storage. Needs root.

Agent, timer and keepalived do not run: a test says `nvkeep role --set` and `nvkeep apply`, and looks at what is there then.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from lab import steady
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.network import FLOATING, SERVICE
from lab.steady import boottime
from tests.cluster.nvmesh import PROC, config

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from lab.server import Server

NODE = "/dev/nvmesh/vol1"
SECOND = "10.77.0.11"
STEP = 2
EXCLUSIVE = "EXCLUSIVE_READ_WRITE"
OLD, NEW = "2.x", "3.x"
TWO = f"""\
  two:
    hosts: [srv-a, srv-b]
    volumes: [{{name: vol2}}, {{name: vol10}}]
    mounts: [{{volume: vol2, path: /srv/two, fstype: ext4}}, {{volume: vol10, path: /srv/ten, fstype: ext4}}]
    addresses: [{{address: {SECOND}/24, interface: {SERVICE.interface}}}]
"""
CONFIG = config(f"step: {STEP}, cooldown: 1") + TWO
# Nothing of an earlier test, master of everything by hand, and no fencing record (a host without a record waits a minute).
CLEAN = f"""
systemctl stop opener; systemctl reset-failed; umount -l /srv/pg /srv/two /srv/ten
ip addr del {FLOATING}/24 dev {SERVICE.interface}; ip addr del {SECOND}/24 dev {SERVICE.interface}
rm -rf /run/nvkeep/*; mkdir -p -m 755 /run/nvkeep/role /var/lib/nvkeep/loss
for service in pg two; do
    echo MASTER >/run/nvkeep/role/$service
    echo '{{"loss": {{"count": 0, "at": 0.0, "listening_since": null, "listen_at": 0.0}}, "boot": ""}}' \
        >/var/lib/nvkeep/loss/$service
done
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with Lab(config=CONFIG, volumes=("vol1", "vol2", "vol10")) as running:
        yield running


@pytest.fixture(params=[OLD, NEW])
def lab(shared: Lab, request: pytest.FixtureRequest) -> Lab:
    shared.storage.reset()
    with ThreadPoolExecutor(len(shared.servers)) as pool:
        list(pool.map(lambda server: server.run(("sh", "-c", CLEAN), check=False), shared))
    shared.storage.fresh()
    shared.commands(request.param)
    return shared


only_old = pytest.mark.parametrize("lab", [OLD], indirect=True)
only_new = pytest.mark.parametrize("lab", [NEW], indirect=True)


def apply(server: Server, service: str = "pg", within: float = 20) -> subprocess.CompletedProcess[str]:
    return server.run(("nvkeep", "apply", service), check=False, timeout=within)


def words(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def serve(server: Server) -> None:
    done = apply(server)
    assert done.returncode == 0, words(done)
    assert serves(server)


def mounted(server: Server, path: str = "/srv/pg") -> bool:
    return f" {path} " in server.read("/proc/1/mountinfo")


def addressed(server: Server) -> bool:
    return FLOATING in server.run(("ip", "-br", "-4", "addr")).stdout


def attached(server: Server, volume: str = "vol1") -> bool:
    return server.path(f"{PROC}/volumes/{volume}").exists()


def serves(server: Server) -> bool:
    return mounted(server) and addressed(server) and may_write(server)


def clean(server: Server) -> bool:
    return not (mounted(server) or addressed(server) or attached(server))


def may_write(server: Server, volume: str = "vol1") -> bool:
    here: dict[str, Any] = server.storage.table(volume)["here"]
    return bool(here.get(server.name, {}).get("granted"))


def take(lab: Lab, server: Server, volume: str = "vol1", *, mode: str = EXCLUSIVE, preempt: bool = False) -> None:
    """Attach by hand, with the commands that are there."""
    if server.path("/usr/bin/nvmesh").exists():
        version = ("--reservation-version", str(lab.storage.table(volume)["version"]), "--preempt") if preempt else ()
        ask = ("nvmesh", "client", "attach", "--id", server.name, "--volume", volume, "--mode", mode, "--wait", *version)
    else:
        ask = ("nvmesh_attach_volumes", "-w", "--access", mode, *(("--preempt",) if preempt else ()), volume)
    server.run(ask)


def drop(server: Server, volume: str = "vol1") -> None:
    """Detach by hand."""
    new = server.path("/usr/bin/nvmesh").exists()
    client = ("nvmesh", "client", "detach", "--wait", "--id", server.name, "--volume", volume)
    server.run(client if new else ("nvmesh_detach_volumes", volume))


def hold_open(server: Server, what: str) -> None:
    server.path("/opened").unlink(missing_ok=True)
    script = f"exec 3<{what}; echo ready >/opened; exec sleep 60"
    server.run(("systemd-run", "--quiet", "--unit=opener", "sh", "-c", script))
    until(lambda: server.path("/opened").exists(), within=5, what=f"{what} is open")


def unplug(lab: Lab) -> None:
    """Order srv-a to release: no carrier for long enough, by its own record."""
    lab.network.cut("srv-a")
    apply(lab["srv-a"])
    longer = 's/.carrier_lost_since.: [0-9.]*/"carrier_lost_since": 1.0/'
    lab["srv-a"].run(("sed", "-i", longer, "/run/nvkeep/standing/pg"))


def drain(server: Server) -> None:
    server.run(("systemctl", "stop", "opener"))


# --- who holds


def test_a_free_volume_is_taken_and_a_second_pass_does_nothing(lab: Lab) -> None:
    a = lab["srv-a"]
    serve(a)
    before = len(lab.storage.events())
    again = apply(a)
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)
    assert len(lab.storage.events()) == before
    assert a.run(("nvkeep", "status", "--local", "pg"), check=False).returncode == 0


def test_a_master_yields_to_a_holder_that_still_serves(lab: Lab) -> None:
    a, b = lab
    serve(a)
    done = apply(b)
    assert "yield" in words(done), words(done)
    assert (serves(a), clean(b), lab.storage.holder()) == (True, True, "srv-a")
    assert lab.storage.table()["version"] == 2
    assert "split" in b.run(("nvkeep", "status", "--local", "pg"), check=False).stdout


def test_a_master_seizes_from_a_holder_that_is_silent_and_that_one_cleans_up(lab: Lab) -> None:
    a, b = lab
    serve(a)
    a.run(("ip", "addr", "del", f"{FLOATING}/24", "dev", SERVICE.interface))
    done = apply(b)
    assert (done.returncode, "seize" in words(done)) == (0, True), words(done)
    assert (serves(b), may_write(a), lab.storage.holder()) == (True, False, "srv-b")
    assert "lost" in a.run(("nvkeep", "status", "--local", "pg"), check=False).stdout
    apply(a)
    assert clean(a)
    assert serves(b)
    assert lab.storage.overlaps() == []


def test_a_volume_in_shared_mode_is_detached_and_attached_exclusively(lab: Lab) -> None:
    a = lab["srv-a"]
    take(lab, a, mode="SHARED_READ_WRITE")
    assert lab.storage.table()["mode"] == "SHARED_READ_WRITE"
    serve(a)
    assert lab.storage.table()["mode"] == EXCLUSIVE


def test_a_stale_preempted_attachment_goes_first(lab: Lab) -> None:
    a, b = lab
    take(lab, a)
    take(lab, b, preempt=True)
    drop(b)
    assert attached(a)
    told = [words(apply(a))]
    assert not lab.storage.table()["here"].get("srv-a", {}).get("preempted"), told
    time.sleep(1.1)  # a volume was taken from this host: it listens first, then tries again
    for _ in range(4):
        if serves(a):
            break
        told.append(words(apply(a)))
        time.sleep(0.5)
    assert serves(a), told
    assert lab.storage.overlaps() == []


def test_what_a_reboot_brings_back_is_cleaned_up_and_not_used(lab: Lab) -> None:
    a, b = lab
    lab.storage.configure(auto_attach=True)
    serve(a)
    a.power_cut()
    done = apply(b)
    assert done.returncode == 0, words(done)
    a.power_on()
    if a.path("/usr/bin/nvmesh").exists():
        until(lambda: attached(a), within=5, what="the management attaches it again")
    a.run(("nvkeep", "role", "pg", "--set", "BACKUP"))
    done = apply(a)
    assert (clean(a), serves(b)) == (True, True), words(done)
    assert lab.storage.overlaps() == []


@only_new
def test_a_foreign_shared_attachment_is_not_preempted_while_it_may_serve(lab: Lab) -> None:
    a, b = lab
    take(lab, b, mode="SHARED_READ_WRITE")
    b.run(("ip", "addr", "add", f"{FLOATING}/24", "dev", SERVICE.interface))
    done = apply(a)
    assert "yield" in words(done), words(done)
    assert (clean(a), lab.storage.table()["attached"]) == (True, ["srv-b"])


# --- IO


@only_old
def test_io_that_never_comes_is_given_back_after_the_time_of_a_step(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.io_delay(None)
    began = boottime()
    done = apply(a)
    assert steady.seconds(began) < STEP + 6
    assert (done.returncode, mounted(a), addressed(a)) == (1, False, False), words(done)
    assert not attached(a), words(done)


@only_old
def test_io_that_never_comes_is_waited_for_and_nothing_is_mounted(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.io_delay(None)
    done = apply(a)
    assert (done.returncode, mounted(a), addressed(a)) == (1, False, False), words(done)
    assert "converging volume vol1" in words(done)
    lab.storage.io_delay(0)
    serve(a)


@only_new
def test_io_that_comes_late_is_waited_for(lab: Lab) -> None:
    lab.storage.io_delay(0.8)
    serve(lab["srv-a"])


@only_old
def test_a_degraded_volume_is_told_as_what_it_is(lab: Lab) -> None:
    a = lab["srv-a"]
    serve(a)
    for text, code in (("Live, with IO, no protection", 0), ("Live, Degraded Read-Only", 1), ("Live, no IO, Toma Error", 1)):
        lab.storage.health(text)
        status = a.run(("nvkeep", "status", "--local", "pg"), check=False)
        assert status.returncode == code, status.stdout
        assert (text in status.stdout) == bool(code)
    began = boottime()
    done = apply(a)
    assert steady.seconds(began) < STEP + 3
    assert (done.returncode, mounted(a)) == (1, True), words(done)


# --- what is unknown


@only_old
def test_a_status_that_cannot_be_read_changes_nothing_and_is_said(lab: Lab) -> None:
    a = lab["srv-a"]
    serve(a)
    for kind in ("absent", "empty", "truncated", "garbage", "list", "null", "bad-dbg"):
        before = len(lab.storage.events())
        lab.storage.defect("srv-a", kind)
        done = apply(a)
        assert (done.returncode, "status.json" in words(done)) == (1, True), (kind, words(done))
        assert a.run(("nvkeep", "status", "--local", "pg"), check=False).returncode == 3
        assert serves(a)
        assert len(lab.storage.events()) == before
        lab.storage.defect("srv-a", None)  # for longer than the I/O deadline it may not last
        assert apply(a).returncode == 0


@only_old
def test_every_generation_of_status_json_is_read(lab: Lab) -> None:
    a, b = lab
    serve(a)
    for style in ("int", "old", "jdr", "uneven"):
        lab.storage.configure(style=style)
        done = apply(a)
        assert (done.returncode, "nothing to do" in words(done)) == (0, True), (style, words(done))
    a.run(("ip", "addr", "del", f"{FLOATING}/24", "dev", SERVICE.interface))
    take(lab, b, preempt=True)
    for style in ("hex", "int", "old", "jdr"):
        lab.storage.configure(style=style)
        assert "lost" in a.run(("nvkeep", "status", "--local", "pg"), check=False).stdout, style
    apply(a)
    assert clean(a)


@only_old
def test_a_client_that_is_not_ready_changes_nothing_and_is_said(lab: Lab) -> None:
    a = lab["srv-a"]
    serve(a)
    for state in (0, 2, 3, 4, None):
        lab.storage.client("srv-a", state)
        done = apply(a)
        assert (done.returncode, "nvmeshclient" in words(done)) == (1, True), (state, words(done))
        assert serves(a)
    assert a.run(("nvkeep", "status", "--local", "pg"), check=False).returncode == 3


@only_old
def test_other_entries_are_not_this_volume(lab: Lab) -> None:
    a, b = lab
    take(lab, b, "vol10")
    for name, kind in (("vol1[01.0]796e3992", "hidden"), ("e_vol1", "shadow"), ("vol1", "recovery")):
        lab.storage.entry("srv-a", name, kind)
    serve(a)


# --- releasing


@only_old
def test_what_is_busy_is_stuck_and_kept(lab: Lab) -> None:
    a = lab["srv-a"]
    serve(a)
    hold_open(a, "/srv/pg")
    unplug(lab)
    try:
        done = apply(a)
        assert done.returncode == 5, words(done)
        assert (mounted(a), may_write(a)) == (True, True)
        drain(a)
        assert apply(a).returncode == 0
        assert clean(a)
    finally:
        lab.network.heal("srv-a")


@pytest.mark.parametrize(
    ("lab", "busy"),
    [(OLD, "busy"), (OLD, "pending"), (NEW, "pending")],
    indirect=["lab"],
)
def test_a_device_that_something_holds_open_is_detached_once_it_is_closed(lab: Lab, busy: str) -> None:
    a = lab["srv-a"]
    lab.storage.configure(busy=busy)
    serve(a)
    hold_open(a, NODE)
    unplug(lab)
    try:
        done = apply(a, within=STEP + 5)
        assert done.returncode != 0, words(done)
        assert attached(a)
        drain(a)
        until(lambda: apply(a).returncode == 0, within=10, what="it is detached")
        assert clean(a)
    finally:
        lab.network.heal("srv-a")


# --- commands that fail


def test_of_two_volumes_both_are_taken_or_none(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.fail({"status": "Update Failed", "error": "Failed to update volume. ErrorID: 1047"}, "vol10")
    lab.storage.management(fails={"vol10": 5})
    done = apply(a, "two")
    assert done.returncode == 1, words(done)
    assert not any((attached(a, "vol2"), attached(a, "vol10"), mounted(a, "/srv/two"))), words(done)
    assert lab.storage.table("vol2")["reserved_by"] is None


@only_new
def test_of_two_volumes_one_is_given_back_when_another_host_serves_with_the_other(lab: Lab) -> None:
    a, b = lab
    take(lab, b, "vol10")
    b.run(("ip", "addr", "add", f"{SECOND}/24", "dev", SERVICE.interface))
    done = apply(a, "two")
    assert "yield" in words(done), words(done)
    assert not attached(a, "vol2")
    assert (lab.storage.table("vol2")["reserved_by"], lab.storage.holder("vol10")) == (None, "srv-b")


@only_old
def test_every_era_is_understood(lab: Lab) -> None:
    a, b = lab
    serve(a)
    for era in ("2.3", "2.4.0", "2.5", "3.5"):
        lab.storage.configure(era)
        denied = apply(b)
        assert "yield" in words(denied), (era, words(denied))
        assert (serves(a), clean(b)) == (True, True)
        assert apply(a).returncode == 0


@pytest.mark.parametrize("lab", ["1.x"], indirect=True)
def test_commands_without_json_are_understood(lab: Lab) -> None:
    a, b = lab
    lab.storage.configure("1.3", options=["access", "preempt", "wait", "force"])
    refused = a.run(("nvmesh_attach_volumes", "--json", "vol1"), check=False)
    assert (refused.returncode, "unrecognized arguments: --json" in refused.stderr) == (2, True)
    serve(a)
    denied = apply(b)
    assert "yield" in words(denied), words(denied)
    a.run(("ip", "addr", "del", f"{FLOATING}/24", "dev", SERVICE.interface))
    done = apply(b)
    assert (done.returncode, "seize" in words(done), serves(b)) == (0, True, True), words(done)
    apply(a)
    assert (clean(a), attached(a)) == (True, False)


HABITS: dict[str, dict[str, Any]] = {
    "noise": {"noise": "warning: {clock} skew", "noise_after": "bye"},
    "crash": {"crash": True},  # exit 3, but the volume is attached: /proc decides
    "garbled": {"garbled": "Traceback (most recent call last):"},
    "stdout": {"stream": "stdout"},
}


@only_old
def test_what_a_command_prints_is_not_what_decides(lab: Lab) -> None:
    a = lab["srv-a"]
    for habits in HABITS.values():
        lab.storage.configure("2.4", **habits)
        done = apply(a)
        assert (done.returncode, serves(a)) == (0, True), (habits, words(done))
        a.run(("sh", "-c", f"umount /srv/pg; ip addr del {FLOATING}/24 dev {SERVICE.interface}; rm /run/nvkeep/claim/*"))
        lab.storage.fresh()


FAILURES: dict[str, dict[str, str]] = {
    "left out": {},
    "outdated": {"status": "Access Version Outdated", "error": "Access Version Outdated."},
    "lie": {"status": "Attached IO Enabled"},
}


@only_old
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_attach_fails_within_the_time_of_a_step(lab: Lab, failure: str) -> None:
    a = lab["srv-a"]
    lab.storage.fail(FAILURES[failure])
    began = boottime()
    done = apply(a)
    assert steady.seconds(began) < STEP + 3
    assert (done.returncode, clean(a)) == (1, True), words(done)


@only_old
def test_commands_that_say_the_module_is_down_fail_and_are_quoted(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.configure(down=True)
    done = apply(a)
    assert (done.returncode, clean(a)) == (1, True)
    assert "1008" in words(done), words(done)


def test_a_command_that_hangs_is_given_up_in_time(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.configure(hang=True)
    for name in ("mgmt-1", "mgmt-2"):
        lab.storage.server(name, "hang")
    try:
        done = apply(a, within=STEP + 5)
    except LabError as error:
        pytest.fail(str(error))
    finally:
        lab.storage.reset()
    assert (done.returncode, clean(a)) == (1, True), words(done)


# --- the management of 3.x


@only_new
def test_one_management_server_is_enough(lab: Lab) -> None:
    lab.storage.server("mgmt-1", "down")
    serve(lab["srv-a"])


@only_new
def test_without_the_management_nothing_is_taken_and_what_is_held_goes_on(lab: Lab) -> None:
    a, b = lab
    serve(a)
    for state in ("down", "401", "503"):
        lab.storage.management(servers={"mgmt-1": state, "mgmt-2": state})
        assert apply(a).returncode == 0
        done = apply(b)
        assert (done.returncode, clean(b)) == (1, True)
        assert "management" in words(done), words(done)
        assert serves(a)


@only_new
def test_a_denial_is_understood_in_every_shape(lab: Lab) -> None:
    a, b = lab
    serve(a)
    for shape in ("nested", "flat", "text"):
        lab.storage.management(errors=shape, show="object")
        done = apply(b)
        assert "yield" in words(done), (shape, words(done))
    assert serves(a)


@only_new
def test_a_success_that_comes_to_nothing_is_no_success(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.management(fails={"vol1": 17})
    done = apply(a)
    assert (done.returncode, clean(a)) == (1, True), words(done)


@only_new
def test_a_slow_management_is_waited_for(lab: Lab) -> None:
    lab.storage.management(slow=0.1, delay=0.5)
    serve(lab["srv-a"])


@only_new
def test_a_client_that_the_management_does_not_know_is_said(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.management(domain="example.lab")
    done = apply(a)
    assert done.returncode == 1
    assert "Client not found" in words(done), words(done)


@only_new
def test_a_fully_qualified_client_is_used_when_it_is_configured(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.management(domain="example.lab")
    clients = f"nvmesh: {{proc: {PROC}, clients: {{srv-a: srv-a.example.lab, srv-b: srv-b.example.lab}}}}"
    a.write("/etc/nvkeep/fqdn.yaml", CONFIG.replace(f"nvmesh: {{proc: {PROC}}}", clients))
    done = a.run(("nvkeep", "apply", "-f", "/etc/nvkeep/fqdn.yaml", "pg"), check=False)
    assert (done.returncode, serves(a)) == (0, True), words(done)


@only_new
def test_a_preempt_names_the_version_that_was_read_so_that_nobody_else_is_preempted(lab: Lab) -> None:
    a, b = lab
    serve(a)
    a.run(("ip", "addr", "del", f"{FLOATING}/24", "dev", SERVICE.interface))
    done = apply(b)
    assert done.returncode == 0, words(done)
    history = b.run(
        ("sh", "-c", "cat /var/log/nvkeep/*/actions.log /var/log/nvkeep/actions.log 2>/dev/null"), check=False
    ).stdout
    assert "--reservation-version 2" in history, history[-2000:]
