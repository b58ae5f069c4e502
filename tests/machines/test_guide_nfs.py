"""docs/guides/nfs.md, typed from an empty pair to takeovers under clients of the kernel's own: a power cut, and a move.

The client is a machine of its own. The target of the storage, which is no member of the service, is the second client: it tries
to get the locks that the first one holds, all the time.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from lab.commands import LabError, until
from lab.vm import needs
from tests.machines.conftest import tidy
from tests.machines.guide import Guide, untyped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.vm.farm import Farm
    from lab.vm.machine import Machine

PROGRAM = Path(__file__).with_name("nfs_client.py")
INSIDE = "/root/nfs_client.py"
VERSIONS = ("v3", "v4")
HOLDER = {f"{what}-{version}": version for what in ("create", "append", "hold") for version in VERSIONS}
COPIES = {f"copy-{version}": version for version in VERSIONS}
CONTENDER = {f"contend-{version}": version for version in VERSIONS}
PLACES = {"create": "files", "append": "files", "hold": "lock", "contend": "lock", "copy": "copy"}
SETUP = ("Before you begin", "Configure NFS", "Prepare the volume", "Configure nvkeep", "Mount it on a client")
DIES, MOVE = "When a host dies", "Move it"
MOUNTS = (
    "mkdir -p /mnt/v3 /mnt/v4",
    "mount -o vers=4.1 10.87.0.60:/srv/nfs/export /mnt/v4",
    "mount -o vers=3 10.87.0.60:/srv/nfs/export /mnt/v3",
)
RECLAIM_FAILED = ("reclaim failed", "failed to reclaim")  # words of the client's kernel, NFSv4 and NFSv3
CLIENT_MB = 700  # free memory that one more machine needs
MOVES, TAKEN_BACK = 3, "it is taken back"
BIG = "/root/big"
BIG_MB = 48  # it is copied slowly, a megabyte a second
WAITS = 400.0  # seconds, for what takes a fraction of that on emulated machines with nothing beside them
# As Debian leaves it when nfs-kernel-server is installed, and sshd.
INSTALLED = ("nfs-server.service", "nfs-client.target", "rpcbind.service", "rpcbind.socket", "ssh.service")
LEFT = (
    "/etc/nvkeep/cluster.yaml /etc/keepalived/*.conf /var/lib/nvkeep/* /etc/exports /etc/nfs.conf.d/nvkeep.conf"
    " /etc/modprobe.d/nvkeep-nfs.conf /etc/sysctl.d/nvkeep-nfs.conf /etc/systemd/system/nfs-server.service.d"
    " /etc/systemd/system/nfs-notify.service /etc/modules-load.d/nvme-tcp.conf"
)
UNITS = ("nvkeep.service", "nvkeep-reconcile.timer", "nvkeep-shutdown.service", "keepalived.service")
Entry = dict[str, Any]


class Diary(NamedTuple):
    """What one program wrote down, and the moment, by its machine's clock, at which something happened to the server."""

    entries: list[Entry]
    since: float

    @property
    def errors(self) -> list[Entry]:
        """The errors that the program was given: it ends with the first."""
        return [entry for entry in self.entries if "error" in entry]

    @property
    def longest(self) -> float:
        """The longest wait since then, in seconds; a wait that began just before counts."""
        return max(
            (entry["ended"] - entry["begun"] for entry in self.entries if "begun" in entry and entry["ended"] > self.since),
            default=0.0,
        )


@dataclass
class Stage:
    """The farm with the guide followed, and its two clients."""

    farm: Farm
    guide: Guide

    def start(self, machine: Machine, name: str, version: str) -> None:
        """Start one program on a client, as a unit of its own, with a fresh diary."""
        what = name.partition("-")[0]
        place = f"/mnt/{version}/{PLACES[what]}-{version}"
        argv = ("python3", "-IS", INSIDE, what, place, f"/root/{name}.diary")
        machine.run(("systemd-run", "--quiet", f"--unit={name}", *argv), timeout=60)

    def mark(self) -> dict[str, float]:
        """Give what the clocks of the two clients say."""
        return {one.name: float(one.read("/proc/uptime").split()[0]) for one in (self.farm.client, self.farm.target)}

    def diary(self, name: str, since: dict[str, float]) -> Diary:
        """Read what a program has written down."""
        machine = self.farm.target if name in CONTENDER else self.farm.client
        lines = machine.run(("cat", f"/root/{name}.diary"), check=False).stdout.splitlines()  # it may not have begun
        return Diary([json.loads(line) for line in lines if line.endswith("}")], since[machine.name])

    def wait_for_acknowledged(self, since: dict[str, float]) -> None:
        """Wait until every program has been answered once since, by whom it asked after that; an error counts as an answer."""
        for name in (*HOLDER, *CONTENDER):
            until(
                lambda name=name: any(  # type: ignore[misc]
                    "error" in entry or entry.get("begun", 0) > diary.since + 1
                    for diary in (self.diary(name, since),)
                    for entry in diary.entries
                ),
                within=WAITS,
                what=f"an answer to {name}",
                every=2,
            )

    def copy(self) -> None:
        """Begin to copy a big file to the server, by each version."""
        for version in VERSIONS:
            self.farm.client.run(("rm", "-f", f"/root/copy-{version}.diary"))
            self.start(self.farm.client, f"copy-{version}", version)

    def wait_copied(self) -> None:
        """Wait until the copies are made, and drop what the client remembers of them."""
        for version in VERSIONS:
            until(
                lambda v=version: not alive(self.farm.client, f"copy-{v}"),  # type: ignore[misc]
                within=WAITS,
                what=f"the copy by {version} has ended",
                every=1,
            )
        self.farm.client.run(("sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches"), timeout=60)


@dataclass
class Seen:
    """What the clients went through in one takeover."""

    diaries: dict[str, Diary]
    copies: dict[str, bool]
    sums: dict[str, dict[str, str]]
    alive: dict[str, bool]
    kernel: str


def wait_ready(machine: Machine) -> None:
    """Give a machine what Debian enables when NFS is installed, and sshd."""
    units = INSTALLED if machine.name.startswith("srv-") else INSTALLED[1:4]
    machine.run(("systemctl", "enable", "--now", *units), timeout=120)


def introduce(farm: Farm) -> None:
    """Let the hosts log in to each other."""
    key = " ".join(farm.b.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    for host in farm.hosts:
        host.write("/root/.ssh/known_hosts", f"srv-a {key}\nsrv-b {key}\n", 0o600)


@pytest.fixture(scope="module")
def stage(whole_farm: Farm) -> Iterator[Stage]:
    """Follow the guide from an empty pair to a client that has it mounted."""
    farm = whole_farm
    if needs.available_mb() < CLIENT_MB:
        pytest.fail(f"one more machine needs {CLIENT_MB} MB of free memory", pytrace=False)
    farm.start_client()
    device = farm.nvme.connect(farm.a)
    farm.nvme.connect(farm.b)
    farm.a.run(("wipefs", "--all", "--quiet", device))
    introduce(farm)
    for machine in (*farm, farm.client):
        wait_ready(machine)
    guide = Guide("nfs.md", {one.name: one for one in (*farm.hosts, farm.client)})
    guide.follow(*SETUP)
    for command in MOUNTS:
        farm.target.run(("sh", "-c", command), timeout=120)
    for host in farm.hosts:
        host.run(("sync",), timeout=60)
    yield Stage(farm, guide)
    restore(farm)


def restore(farm: Farm) -> None:
    """Leave nothing of it behind; the hosts are booted, because the kernel's server stays loaded."""
    farm.target.run(("umount", "--force", "--lazy", "/mnt/v3", "/mnt/v4"), check=False, timeout=60)
    farm.stop_client()
    farm.target.run(("systemctl", "disable", "--now", *INSTALLED[1:4]), timeout=60, check=False)
    for host in farm.hosts:
        try:
            host.run(("systemctl", "disable", "--now", *UNITS, *INSTALLED), timeout=120, check=False)
            host.run(("systemctl", "unmask", "rpc-statd-notify.service"), timeout=60)
            host.run(("sh", "-c", f"rm -rf {LEFT}; sync"), timeout=60)
        except LabError as error:
            sys.stderr.write(f"{error}\n")
        host.power_cut()
        host.boot()
        tidy(host)


@pytest.fixture(scope="module")
def working(stage: Stage) -> Stage:
    """Let the client write and hold its locks, and the other one try to get them."""
    client, target = stage.farm.client, stage.farm.target
    for machine in (client, target):
        machine.write(INSIDE, PROGRAM.read_text())
    client.run(("dd", "if=/dev/urandom", f"of={BIG}", "bs=1M", f"count={BIG_MB}", "status=none"), timeout=60)
    client.run(("mkdir", "/mnt/v3/files-v3", "/mnt/v4/files-v4"), timeout=60)
    begun = stage.mark()
    for name, version in HOLDER.items():
        stage.start(client, name, version)
    for version in VERSIONS:
        until(lambda v=version: held(client, v), within=60, what=f"the lock by {version}", every=1)  # type: ignore[misc]
    for name, version in CONTENDER.items():
        stage.start(target, name, version)
    stage.wait_for_acknowledged(begun)
    return stage


def held(client: Machine, version: str) -> bool:
    """Return whether the first client has begun to write to the file that it locks."""
    return "number" in client.run(("cat", f"/root/hold-{version}.diary"), check=False).stdout


def gather(stage: Stage, since: dict[str, float], serving: Machine) -> Seen:
    """Wait until everybody has been answered by the host that serves now, and write down what was seen."""
    stage.wait_for_acknowledged(stage.mark())
    stage.wait_copied()
    client = stage.farm.client
    diaries = {name: stage.diary(name, since) for name in (*HOLDER, *COPIES, *CONTENDER)}
    same = {v: client.run(("cmp", BIG, f"/mnt/{v}/copy-{v}"), timeout=120, check=False).returncode == 0 for v in VERSIONS}
    return Seen(
        diaries,
        same,
        {version: sums(serving, version) for version in VERSIONS},
        {name: alive(client, name) for name in HOLDER},
        client.kernel_log(50),
    )


def sums(serving: Machine, version: str) -> dict[str, str]:
    """Give the sums of the files, as they are on the volume."""
    done = serving.run(("sh", "-c", f"cd /srv/nfs/export/files-{version} && sha256sum file-*"), timeout=180)
    return {name: found for found, name in (line.split() for line in done.stdout.splitlines())}


def alive(machine: Machine, name: str) -> bool:
    """Return whether a program still runs."""
    return machine.run(("systemctl", "is-active", f"{name}.service"), check=False).stdout == "active\n"


def tell(title: str, seen: Seen) -> None:
    """Print the figures for the guide: the longest wait of each program, in seconds."""
    figures = ", ".join(f"{name} {diary.longest:.1f}" for name, diary in seen.diaries.items())
    sys.stderr.write(f"{title}: longest waits in seconds: {figures}\n")


@pytest.fixture(scope="module")
def died(working: Stage) -> Seen:
    """srv-a loses its power while files are being copied; srv-b takes over."""
    farm = working.farm
    working.copy()
    since = working.mark()
    farm.a.power_cut()
    working.guide.follow(DIES)
    seen = gather(working, since, farm.b)
    tell("a power cut", seen)
    sys.stderr.write(farm.b.run(("nvkeep", "history", "nfs", "-n", "3"), timeout=60).stdout)
    return seen


@pytest.fixture(scope="module")
def moved(working: Stage, died: Seen) -> Seen:
    """srv-a is back, and the service is moved to it while files are being copied."""
    assert died
    working.farm.a.boot()
    since = working.mark()
    working.copy()
    move(working)
    seen = gather(working, since, working.farm.a)
    tell("a move", seen)
    sys.stderr.write(working.farm.a.run(("nvkeep", "history", "nfs", "-n", "3"), timeout=60).stdout)
    return seen


def move(stage: Stage) -> None:
    """Follow the guide; a machine so busy that the other host is late has the service back, and is asked again."""
    for _ in range(MOVES - 1):
        try:
            stage.guide.follow(MOVE)
        except AssertionError as error:
            if TAKEN_BACK not in str(error):
                raise
        else:
            return
    stage.guide.follow(MOVE)


@pytest.fixture(params=["died", "moved"])
def seen(request: pytest.FixtureRequest) -> Seen:
    found: Seen = request.getfixturevalue(request.param)
    return found


def test_nothing_in_the_guide_is_left_out(stage: Stage) -> None:
    assert untyped(stage.guide.sections, (*SETUP, DIES, MOVE)) == []


def test_no_program_of_a_client_is_given_an_error(seen: Seen) -> None:
    assert {name: diary.errors for name, diary in seen.diaries.items() if diary.errors} == {}
    assert all(seen.alive.values()), seen.alive
    assert not any(words in seen.kernel.lower() for words in RECLAIM_FAILED), seen.kernel


@pytest.mark.parametrize("name", CONTENDER)
def test_nobody_gets_a_lock_that_another_client_holds(seen: Seen, name: str) -> None:
    tries = seen.diaries[name].entries
    assert tries
    assert not any(entry.get("got") for entry in tries), tries[-3:]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_acknowledged_file_is_there_as_it_was_written(seen: Seen, version: str) -> None:
    written = {entry["name"]: entry["sum"] for entry in seen.diaries[f"create-{version}"].entries}
    assert written
    assert {name: seen.sums[version].get(name) for name in written} == written


@pytest.mark.parametrize("version", VERSIONS)
def test_a_copy_under_way_is_whole(seen: Seen, version: str) -> None:
    assert seen.copies[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lock_that_is_given_back_is_the_other_client_s(working: Stage, moved: Seen, version: str) -> None:
    """Which shows as well that the other client was really trying."""
    assert moved
    working.farm.client.run(("systemctl", "stop", f"hold-{version}.service"), timeout=60)
    now = working.mark()
    until(
        lambda: any(entry.get("got") for entry in working.diary(f"contend-{version}", now).entries),
        within=WAITS,
        what=f"the second client has the lock by {version}",
        every=1,
    )
