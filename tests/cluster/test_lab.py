"""The lab keeps its promises: the storage fences, power cuts lose what they must, and nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import base, cgroups, loops, places
from lab.cluster import Lab, clean_unused
from lab.commands import LabError, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

EXCLUSIVE = ("--access", "EXCLUSIVE_READ_WRITE", "--json")
MOUNT = "/srv/pg"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(install=False, volumes=("vol1", "vol10")) as running:
        yield running


def attach(server: Server, *flags: str, volume: str = "vol1", wait: bool = True) -> subprocess.CompletedProcess[str]:
    waiting = ("-w",) if wait else ()
    return server.run(("nvmesh_attach_volumes", *waiting, *EXCLUSIVE, *flags, volume), check=False)


def detach(server: Server, *flags: str, volume: str = "vol1") -> str:
    done = server.run(("nvmesh_detach_volumes", "--json", *flags, volume), check=False)
    return answer(done, volume)["status"]


def answer(done: subprocess.CompletedProcess[str], volume: str = "vol1") -> dict[str, str]:
    found: dict[str, str] = json.loads(done.stdout or done.stderr)["volumes"][volume]
    return found


def mount(server: Server) -> None:
    server.run(("mkdir", "-p", MOUNT))
    server.run(("mount", "/dev/nvmesh/vol1", MOUNT))


def write(server: Server, text: str, *, sync: bool = True) -> bool:
    flags = ("conv=fsync",) if sync else ()
    return server.run(("dd", f"of={MOUNT}/{text}", *flags), check=False, feed=text).returncode == 0


def status(server: Server, volume: str = "vol1") -> dict[str, object]:
    found: dict[str, object] = json.loads(server.read(f"/run/nvmesh-proc/nvmeibc/volumes/{volume}/status.json"))
    return found


def hold(server: Server, *flags: str) -> None:
    assert answer(attach(server, *flags)) == {"status": "Attached IO Enabled"}
    mount(server)


def release(server: Server) -> None:
    """Unmount and detach: a process that ends with a mount namespace of its own keeps the device busy for some 10 ms more."""
    server.run(("umount", MOUNT))
    detached(server)


def detached(server: Server) -> None:
    """Detach as soon as nothing has the device open: a losetup(8) in a server of another lane may have, for a moment."""
    until(lambda: detach(server) == "Detached", within=2, what="it is detached")


def serve(server: Server) -> None:
    server.run(("ip", "addr", "add", "10.77.0.10/24", "dev", "host0"))
    server.run(("arping", "-q", "-c", "1", "-U", "-I", "host0", "10.77.0.10"))
    server.run(("systemctl", "start", "postgresql@15-main"))


def test_a_preempt_fences_the_old_holder_and_keeps_its_synced_data(lab: Lab) -> None:
    a, b = lab
    hold(a)
    assert write(a, "synced")
    assert answer(attach(b)) == {"status": "Access Mode Denied", "error": "Access Mode Denied."}
    hold(b, "--preempt")
    assert not write(a, "late")
    seen = status(a)
    assert (seen["attach_status"], seen["dbg"], seen["io_enabled"]) == ("Preempted", "0x1092", 0)
    assert seen["status"] == "Reservation Preempted, Only recovery"
    assert (seen["reservation_version"], seen["RVMS"]) == (2, 3)
    assert b.read(f"{MOUNT}/synced") == "synced"
    assert not b.path(f"{MOUNT}/late").exists()
    kinds = [event.kind for event in lab.storage.events("attach", "denied", "preempted", "refused")]
    assert kinds == ["attach", "denied", "preempted", "attach", "refused"]


def test_a_host_that_takes_a_volume_again_sees_what_the_other_wrote(lab: Lab) -> None:
    a, b = lab
    hold(a)
    hold(b, "--preempt")
    assert write(b, "between")
    assert answer(attach(a))["error"] == "Access Mode Denied."
    release(a)
    hold(a, "--preempt")
    assert a.read(f"{MOUNT}/between") == "between"


def test_an_orderly_hand_over_needs_no_preempt(lab: Lab) -> None:
    a, b = lab
    hold(a)
    assert detach(a) == "Busy"
    release(a)
    assert detach(a) == "Not Attached"
    assert not a.path("/dev/nvmesh/vol1").exists()
    assert lab.storage.table()["mode"] == "NONE"
    hold(b)


def test_a_process_that_has_the_device_open_keeps_it_busy_and_force_takes_it_away(lab: Lab) -> None:
    a = lab["srv-a"]
    hold(a)
    assert detach(a, "--force") == "Detached"
    assert not a.path("/dev/nvmesh/vol1").exists()
    assert not write(a, "after")
    a.run(("umount", "--lazy", MOUNT))
    assert answer(attach(a, volume="vol10"), "vol10") == {"status": "Attached IO Enabled"}
    a.run(("systemd-run", "--unit=opener", "sh", "-c", "exec 3</dev/nvmesh/vol10; echo ready >/opened; exec sleep 60"))
    until(lambda: a.path("/opened").exists(), within=5, what="the device is open")
    assert detach(a, volume="vol10") == "Busy"


def test_a_power_cut_loses_caches_and_keeps_the_reservation(lab: Lab) -> None:
    a, b = lab
    hold(a)
    assert write(a, "synced")
    assert write(a, "cached", sync=False)
    a.power_cut()
    assert not a.alive
    assert answer(attach(b))["error"] == "Access Mode Denied."
    assert lab.storage.holder() == "srv-a"
    a.power_on()
    assert not a.path("/run/nvmesh-proc/nvmeibc/volumes/vol1").exists()
    assert not a.path("/dev/nvmesh/vol1").exists()
    hold(a)
    assert a.read(f"{MOUNT}/synced") == "synced"
    assert not a.path(f"{MOUNT}/cached").exists() or a.read(f"{MOUNT}/cached") == ""
    assert lab.storage.table()["version"] == 2


def test_a_reboot_comes_back_with_the_same_disk_and_without_attachments(lab: Lab) -> None:
    a = lab["srv-a"]
    a.write("/etc/mark", "here")
    hold(a)
    first = a.run(("cat", "/proc/sys/kernel/random/boot_id")).stdout
    a.run(("ip", "addr", "add", "10.77.0.10/24", "dev", "host0"))
    a.reboot()
    assert a.read("/etc/mark") == "here"
    assert "10.77.0.10" not in a.run(("ip", "addr")).stdout
    assert not a.path("/run/nvmesh-proc/nvmeibc/volumes/vol1").exists()
    assert "module state=1 Ready" in a.read("/run/nvmesh-proc/nvmeibc/status")
    assert a.run(("cat", "/proc/sys/kernel/random/boot_id")).stdout != first


def test_networks_are_cut_and_healed_one_by_one(lab: Lab) -> None:
    a, b = lab

    def hears(address: str) -> bool:
        return b.run(("ping", "-c1", "-W1", address), check=False).returncode == 0

    assert hears("10.77.0.1")
    assert hears("10.78.0.1")
    lab.network.cut("srv-a")
    assert not hears("10.77.0.1")
    assert hears("10.78.0.1")
    assert a.read("/sys/class/net/host0/carrier").strip() == "0"
    lab.network.heal("srv-a")
    until(lambda: hears("10.77.0.1"), within=10, what="the service network did not heal")
    lab.network.cut("srv-a", "hb0", keep_carrier=True)
    assert not hears("10.78.0.1")
    assert a.read("/sys/class/net/hb0/carrier").strip() == "1"
    assert a.run(("arping", "-q", "-c1", "-w1", "-I", "hb0", "10.78.0.254"), check=False).returncode == 1
    lab.network.heal("srv-a", "hb0")
    until(lambda: hears("10.78.0.1"), within=10, what="the heartbeat network did not heal")


SHOUT = """
import socket
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.78.0.{host}"))
for _ in range(100):
    line.sendto(b"here", ("224.0.0.18", 9))
"""


def test_a_deaf_server_is_heard_and_does_not_hear(lab: Lab) -> None:
    a, b = lab

    def heard(sender: Server, listener: Server) -> int:
        packets = "/sys/class/net/hb0/statistics/rx_packets"
        before = int(listener.read(packets))
        sender.run(("python3", "-c", SHOUT.format(host=sender.host)))
        return int(listener.read(packets)) - before

    assert heard(a, b) >= 100
    lab.network.deafen("srv-b", "hb0")
    assert heard(a, b) < 20
    assert heard(b, a) >= 100
    lab.network.heal("srv-b", "hb0")
    assert heard(a, b) >= 100


def test_a_poor_cable_loses_a_share_and_carries_the_rest_late(lab: Lab) -> None:
    """Every ping goes through it twice. A boot mends it."""
    lab.network.spoil("srv-b", "hb0", loss=1, jitter=0)
    lab["srv-b"].reboot()
    assert lab["srv-a"].run(("ping", "-c1", "-W1", "10.78.0.2"), check=False).returncode == 0
    lab.network.spoil("srv-b", "hb0", loss=0.2, jitter=0.02)
    ping = ("ping", "-q", "-c", "200", "-i", "0.02", "-W", "1", "10.78.0.2")
    told = lab["srv-a"].run(ping, check=False, timeout=60).stdout
    lost, middle = re.search(r"([\d.]+)% packet loss", told), re.search(r"= [\d.]+/([\d.]+)/", told)
    assert lost, told
    assert middle, told
    assert 20 < float(lost[1]) < 55  # 36 % are to be expected, with a deviation of 3.4
    assert float(middle[1]) > 30  # ms, of 40 that are to be expected
    assert lab["srv-a"].run(("ping", "-c1", "-W1", "10.77.0.2"), check=False).returncode == 0


def test_a_frozen_server_does_nothing_until_it_is_thawed(lab: Lab) -> None:
    a = lab["srv-a"]
    a.run(("systemd-run", "--unit=clock", "sh", "-c", "while :; do date +%s%N >/tick; sleep 0.01; done"))
    until(lambda: a.path("/tick").exists(), within=5, what="the clock ticks")
    a.freeze()
    stopped = a.read("/tick")
    time.sleep(0.2)
    assert a.read("/tick") == stopped
    with pytest.raises(LabError, match="frozen"):
        a.run(("true",))
    a.thaw()
    until(lambda: a.read("/tick") not in ("", stopped), within=5, what="the clock ticks again")


def test_io_comes_late_or_never_and_a_stall_ends_with_a_preempt(lab: Lab) -> None:
    a, b = lab
    lab.storage.io_delay(None)
    assert answer(attach(a, wait=False)) == {"status": "Attached"}
    assert (status(a)["status"], status(a)["io_enabled"]) == ("Booting, no IO", 0)
    assert a.path("/dev/nvmesh/vol1").exists()
    lab.storage.io_delay(0)
    detached(a)
    hold(a)
    lab.storage.stall(host="srv-a")
    a.run(("systemd-run", "--unit=writer", "dd", "if=/dev/zero", f"of={MOUNT}/stalled", "bs=4k", "count=1", "conv=fsync"))
    assert status(a)["io_enabled"] == 0
    hold(b, "--preempt")
    active = ("systemctl", "is-active", "writer")
    until(lambda: a.run(active, check=False).stdout != "active\n", within=5, what="the stalled write ends")
    assert a.run(active, check=False).stdout == "failed\n"


@pytest.mark.parametrize(
    ("era", "reply", "code"),
    [
        ("2.3", {"status": "Reservation Mode Denied", "error": "Reservation Mode Denied."}, 0),
        ("2.4.0", {"status": "Attached IO Enabled", "error": "Access Mode Denied."}, 1),
        ("2.4", {"status": "Access Mode Denied", "error": "Access Mode Denied."}, 1),
    ],
)
def test_every_era_denies_in_its_own_words(lab: Lab, era: str, reply: dict[str, str], code: int) -> None:
    a, b = lab
    lab.storage.configure(era)
    attach(a)
    denied = attach(b)
    assert (answer(denied), denied.returncode, denied.stdout) == (reply, code, "")


def test_a_command_that_is_given_up_leaves_nothing_running(lab: Lab) -> None:
    a = lab["srv-a"]
    lab.storage.configure(hang=True)
    with pytest.raises(LabError, match="no end"):
        a.run(("nvmesh_attach_volumes", *EXCLUSIVE, "vol1"), timeout=0.5)
    lab.storage.configure(hang=False)
    assert answer(attach(a)) == {"status": "Attached IO Enabled"}
    lab.storage.fail({"status": "Update Failed", "error": "ErrorID: 1047"}, "vol10")
    several = a.run(("nvmesh_attach_volumes", *EXCLUSIVE, "vol1", "vol10"), check=False)
    assert (answer(several)["status"], answer(several, "vol10")["status"]) == ("Already Attached", "Update Failed")


def test_names_that_contain_each_other_are_different_volumes(lab: Lab) -> None:
    a = lab["srv-a"]
    attach(a, volume="vol10")
    assert [path.name for path in a.path("/dev/nvmesh").iterdir()] == ["vol10"]
    assert detach(a) == "Not Attached"
    assert lab.storage.table("vol1")["mode"] == "NONE"


def test_the_client_sees_the_gap_of_a_power_cut_and_loses_nothing(lab: Lab) -> None:
    a, b = lab
    hold(a)
    serve(a)
    with lab.writer() as writer:
        until(lambda: writer.result().acknowledged > 20, within=10, what="rows are acknowledged")
        a.power_cut()
        hold(b, "--preempt")
        serve(b)
        before = writer.result().acknowledged
        until(lambda: writer.result().acknowledged > before + 5, within=20, what="rows go on")
        seen = writer.stop()
    assert len(seen.gaps) == 1
    assert seen.longest_gap_seconds > 0.3
    assert seen.longest_steady_gap < 15
    assert writer.lost() == 0


def test_three_servers_and_two_heartbeats() -> None:
    with Lab(("srv-a", "srv-b", "srv-c"), heartbeats=2, install=False) as lab:
        for address in ("10.77.0.1", "10.78.0.2", "10.79.0.1", "10.77.0.254"):
            lab["srv-c"].run(("ping", "-c1", "-W1", address))
        with pytest.raises(LabError, match="one at a time"), Lab(install=False):
            pass


def of_this_lane(process: Path) -> bool:
    """Tell a process of another lab, in a lane beside this one, from one that a lab of this lane has left."""
    try:
        variables = process.joinpath("environ").read_bytes().split(b"\0")
    except OSError:
        return False
    lane = next((one.partition(b"=")[2] for one in variables if one.startswith(b"NVKEEP_LAB_LANE=")), b"")
    return lane.decode() == base.LANE


def leftovers() -> list[str]:
    """Return everything a lab could have left on this machine."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{places.DISK}/" in line]
    devices = [device for device, _ in loops.mine(places.DISK)]
    directories = [str(path) for path in (places.STATE, places.DISK) if path.exists()]
    commands = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if of_this_lane(path.parent))
    processes = [str(line) for line in commands if b"lab.storaged" in line or b"--machine=srv-" in line]
    return [*mounts, *devices, *directories, *processes, *cgroups.names()]


def test_nothing_is_left_behind() -> None:
    with Lab(install=False) as lab:
        hold(lab["srv-a"])
        lab.storage.stall()
        lab["srv-b"].freeze()
        assert leftovers()
    assert leftovers() == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_a_killed_lab_left_is_removed(how: signal.Signals) -> None:
    with subprocess.Popen(
        (sys.executable, "-m", "lab", "up", "--bare"), stdout=subprocess.PIPE, cwd=places.REPOSITORY
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"Ctrl-C" in line:
                break
        assert leftovers()
        os.kill(process.pid, how)
    if how == signal.SIGKILL:
        clean_unused()
    assert leftovers() == []
