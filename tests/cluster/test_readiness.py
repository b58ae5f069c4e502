"""Every precondition of serving is broken in turn, on the standby and on the server that serves. Needs root.

One lab for all: each case leaves it as it found it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from lab import protected
from lab.commands import run, until
from lab.network import FLOATING
from tests.cluster.conftest import Pair
from tests.cluster.stage import MEASURED
from tests.cluster.test_state_dir import fill, flag, free

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

INITIALIZING, READY = 0, 1  # of the NVMesh client
NOTHING_MOVED = 0.5  # seconds: the longest gap where nothing may move
UNIT, PATH = protected.UNIT, protected.PATH
TOOL, FILE = "/usr/bin/nvmesh_attach_volumes", "/lib/systemd/system/postgresql@.service"
MOUNT = f"[Mount]\nWhat=/dev/null\nWhere={PATH}\n[Install]\nWantedBy=local-fs.target\n"
SOCKET = f"[Socket]\nListenStream=/run/starter.sock\nService={UNIT}\n[Install]\nWantedBy=sockets.target\n"
STARTER = f"[Unit]\nWants={UNIT}\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
MODULES = "/lib/modules/$(uname -r)"


class Case(NamedTuple):
    """How a precondition is broken, what is said of it, and what fixes it: the printed command itself, where it is one."""

    spoil: str
    what: str
    why: str
    printed: str
    fix: str = ""


BOTH = {
    "a tool is gone": Case(
        f"mv {TOOL} /root/tool",
        "BACKEND nvmesh", "nvmesh_attach_volumes is missing", "install the NVMesh client", f"mv /root/tool {TOOL}",
    ),
    "fstab has it": Case(
        f"echo /dev/nvmesh/vol1 {PATH} ext4 noauto 0 0 >> /etc/fstab",
        f"MOUNTPOINT {PATH}", "line 1 of /etc/fstab mounts it as well",
        "sed -i '1s/^/# /' /etc/fstab && systemctl daemon-reload",
    ),
    "a mount unit is enabled": Case(
        f"printf '{MOUNT}' > /etc/systemd/system/srv-pg.mount && systemctl enable -q srv-pg.mount",
        f"MOUNTPOINT {PATH}", "srv-pg.mount is enabled, and mounts it as well", "systemctl disable srv-pg.mount",
    ),
    "no such file system": Case(
        f"grep -v ext /proc/filesystems > /root/known; mkdir -p {MODULES}; touch {MODULES}/modules.dep;"
        "mount --bind /root/known /proc/filesystems",
        "FILE SYSTEM ext4", "this host cannot mount ext4",
        "install the package that brings the module ext4 for the kernel that runs",
        "umount /proc/filesystems; rm -r /lib/modules",
    ),
    "the unit is masked": Case(f"systemctl mask -q {UNIT}", f"SERVICE {UNIT}", f"{UNIT} is masked", f"systemctl unmask {UNIT}"),
    "the unit is enabled": Case(
        f"systemctl enable -q {UNIT}",
        f"SERVICE {UNIT}", f"{UNIT} is enabled at boot, and nvkeep starts it", f"systemctl disable {UNIT}",
    ),
    "another unit starts it at boot": Case(
        f"printf '{STARTER}' > /etc/systemd/system/starter.service && systemctl enable -q starter.service",
        f"SERVICE {UNIT}", f"{UNIT} is started at boot by starter.service", "systemctl disable starter.service",
    ),
    "a socket starts it at boot": Case(
        f"printf '{SOCKET}' > /etc/systemd/system/starter.socket && systemctl enable -q starter.socket",
        f"SERVICE {UNIT}", f"{UNIT} is started at boot by starter.socket", "systemctl disable --now starter.socket",
    ),
    "keepalived is not as generated": Case(
        "sed -i 's/nopreempt/preempt/' /etc/keepalived/nvkeep.conf",
        "KEEPALIVED", "says `preempt`, cluster.yaml makes it `nopreempt`", "nvkeep keepalived --install",
    ),
}  # fmt: skip
STANDBY = BOTH | {
    "the place is a file": Case(
        f"rm -rf {PATH}; touch {PATH}",
        f"MOUNTPOINT {PATH}", f"{PATH}, or a part of it, is not a directory", f"ls -ld {PATH}", f"rm {PATH}; mkdir {PATH}",
    ),
    "the place is behind a link": Case(
        "mv /srv /data; ln -s /data /srv",
        f"MOUNTPOINT {PATH}", f"/srv is a symbolic link: {PATH} would be mounted elsewhere", f"realpath {PATH}",
        "rm /srv; mv /data /srv",
    ),
    "the place cannot be made": Case(
        "mount -t tmpfs -o ro none /srv",
        f"MOUNTPOINT {PATH}", f"{PATH} is not there, and cannot be made (read-only)", "findmnt -T /srv; df /srv", "umount /srv",
    ),
    "the interface is down": Case(
        "ip link set host0 down", "INTERFACE host0", "host0 is down, or has no carrier", "ip link set dev host0 up",
        "ip link set dev host0 up; ip route replace default via 10.77.0.254; "
        "until arping -q -c 1 -w 1 -I host0 10.77.0.254; do :; done",
    ),
    "the unit is not there": Case(
        f"mv {FILE} /root/unit; systemctl daemon-reload",
        f"SERVICE {UNIT}", f"systemd knows no unit {UNIT}", f"systemctl status {UNIT}",
        f"mv /root/unit {FILE}; systemctl daemon-reload",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with protected.pair(reconcile=4) as lab:
        yield Pair(lab)


def sh(server: Server, script: str) -> None:
    server.run(("sh", "-c", script), timeout=60)


def told(server: Server) -> str:
    """Make one pass, and give what `nvkeep status` says after it; it may not call that ok."""
    server.run(("nvkeep", "apply"), check=False, timeout=60)
    done = server.run(("nvkeep", "status", "--local"), check=False)
    assert done.returncode != 0
    return done.stdout


def assert_told(server: Server, what: str, why: str, printed: str) -> None:
    """Assert that a pass, status and check name it, with the command; on this server."""
    line = next((line for line in told(server).splitlines() if line.startswith("  ! ") and why in line), "")
    assert printed in line, f"{why}; {printed}: not told"
    done = server.run(("nvkeep", "check", "--host"), check=False)
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("[NOT OK]")]
    assert any(line.startswith(f"[NOT OK] {what}: ") and why in line and printed in line for line in wrong), wrong


def assert_ready(server: Server) -> None:
    """Assert that one pass is enough to be ready again."""
    server.run(("nvkeep", "apply"), timeout=60)
    assert flag(server) == "1", server.run(("nvkeep", "status", "--local"), check=False).stdout


@pytest.mark.parametrize("name", STANDBY)
def test_a_standby_says_what_it_lacks_and_does_not_get_the_role(pair: Pair, name: str) -> None:
    case, server = STANDBY[name], pair.other
    sh(server, case.spoil)
    try:
        assert_told(server, case.what, case.why, case.printed)
        assert flag(server) == "0"
        assert flag(pair.active) == "1"
    finally:
        sh(server, case.fix or case.printed)
    assert_ready(server)


def test_a_standby_whose_storage_client_is_not_ready(pair: Pair) -> None:
    server = pair.other
    pair.lab.storage.control("client", host=server.name, state=INITIALIZING)
    try:
        assert_told(server, "VOLUME vol1", "the NVMesh client is not ready", "systemctl status nvmeshclient")
        assert flag(server) == "0"
    finally:
        pair.lab.storage.control("client", host=server.name, state=READY)
    assert_ready(server)


def test_a_standby_that_can_record_nothing(pair: Pair) -> None:
    server, directory = pair.other, "/var/lib/nvkeep"
    fill(server, directory)
    try:
        assert_told(server, "STATE", f"nothing can be recorded in {directory} (full)", f"df -h {directory}")
        assert flag(server) == "0"
    finally:
        free(server, directory)
    assert_ready(server)


@pytest.mark.parametrize("name", BOTH)
def test_a_server_that_serves_says_what_it_lacks_and_stays(pair: Pair, name: str) -> None:
    case, server = BOTH[name], pair.active
    sh(server, case.spoil)
    try:
        assert_told(server, case.what, case.why, case.printed)
        assert flag(server) == "1"
    finally:
        sh(server, case.fix or case.printed)
    until(lambda: protected.well(server), within=20, what=f"{server.name} is not well again")
    assert protected.serves(server)


def test_nothing_moved_and_then_an_address_that_somebody_has(pair: Pair) -> None:
    """Asked only while nobody holds the volume, by a storage that tells so: both servers release, and a stranger answers."""
    server, bridge = pair.other, ("ip", "addr", "{}", f"{FLOATING}/24", "dev", "br-host0")
    pair.wait_ready(server)
    result = pair.finish(pair.active, clean=server)
    assert result.longest_steady_gap < NOTHING_MOVED
    MEASURED.append(f"readiness: longest gap {result.longest_gap_seconds:.2f} s while every precondition was broken")
    pair.lab.commands("3.x")
    for one in (server, pair.active):
        one.run(("systemctl", "stop", "keepalived.service"))
    until(lambda: pair.lab.storage.holder() is None, within=30, what="the volume was not release")
    server.run(("nvkeep", "role", "pg", "--set", "BACKUP"))
    assert_ready(server)
    run((*pair.lab.network.enter(), *(word.format("add") for word in bridge)))
    try:
        why = f"nobody holds the volumes, and yet somebody answers for {FLOATING}"
        assert_told(server, f"FLOATING IP {FLOATING}", why, f"ip neigh get {FLOATING} dev host0")
        assert flag(server) == "0"
    finally:
        run((*pair.lab.network.enter(), *(word.format("del") for word in bridge)))
    assert_ready(server)
