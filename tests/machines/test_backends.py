"""nvkeep itself on real storage: how each backend is taken, refused, given back, seized, lost, and not known.

The three backends go through one story side by side, as three services: a phase a fixture, each standing on the one before it.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from lab.commands import until
from lab.vm.mirror import DEVICE, RESOURCE
from lab.vm.nvme import NGUID
from lab.vm.wires import SERVICE
from nvkeep.core.observe import IO_DEADLINE_S
from tests.machines.conftest import tidy
from tests.machines.nvme import Namespace, write
from tests.machines.scsi import Lun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.vm.farm import Farm
    from lab.vm.machine import Machine

NVME, SCSI, DRBD = "nvme", "scsi", "drbd"
BACKENDS = (NVME, SCSI, DRBD)
FENCED = (NVME, SCSI)  # the storage tells who holds by name, and refuses everyone else's writes
DISKS = {
    NVME: f"/dev/disk/by-id/nvme-uuid.{NGUID}",
    SCSI: "/dev/disk/by-id/wwn-0x60014056e766b6565704000800000000",  # LIO makes it of the serial in lab/vm/iscsi.py
    DRBD: DEVICE,
}
WHERE = {NVME: f"namespace: {DISKS[NVME]}", SCSI: f"disk: {DISKS[SCSI]}", DRBD: f"resource: {RESOURCE}"}
ADDRESSES = {NVME: "10.87.0.51", SCSI: "10.87.0.52", DRBD: "10.87.0.53"}
GOOD, BROKEN, LITTERING = "/etc/nvkeep/cluster.yaml", "/etc/nvkeep/broken.yaml", "/etc/nvkeep/littering.yaml"
UNITS = {GOOD: "", BROKEN: "none-{}.service", LITTERING: "litter-{}.service"}
SERVICE_YAML = """\
  {name}:
    hosts: [srv-a, srv-b]
    volumes: [{{name: {name}, backend: {name}, {where}}}]
    mounts: [{{volume: {name}, path: /srv/{name}, fstype: ext4}}]
    addresses: [{{address: {address}/24, interface: eth0}}]
    units: [{unit}]
    holders: none
"""
LITTER = """\
[Service]
Type=oneshot
KillMode=none
ExecStart=/bin/sh -c 'cd /srv/{name}; sleep 600 & exit 1'
"""
HEARD = 2  # seconds as BACKUP after which a host that never made a pass may take from another
BOTH, NEITHER = (True, True), (False, False)  # mounted, address there
STUCK, UNKNOWN = 5, 3
PASS_AT_MOST = 45  # seconds, on emulated machines; a command that hangs would take for ever


class Seen(NamedTuple):
    """What one pass or one look gave: an exit code, and what it says of each service."""

    code: int
    of: dict[str, dict[str, Any]]
    seconds: float


@dataclass
class Stage:
    """The farm, and nvkeep's words on it."""

    farm: Farm
    namespace: Namespace
    lun: Lun

    def apply(self, host: Machine, role: str = "", file: str = GOOD) -> Seen:
        """Make a pass over all three services, as MASTER or BACKUP if asked."""
        if role:
            host.run(("nvkeep", "role", *BACKENDS, "--set", role))
        begun = time.monotonic()
        done = host.run(("nvkeep", "apply", "-f", file), check=False, timeout=120)
        took = time.monotonic() - begun
        sys.stderr.write(f"{host.name}: {done.returncode}\n{done.stdout}{done.stderr}")
        return Seen(done.returncode, {name: json.loads(host.read(f"/run/nvkeep/report/{name}")) for name in BACKENDS}, took)

    def until_isolated(self, host: Machine, last: Seen) -> Seen:
        """Make passes until DRBD's has isolated: at once if DRBD has heard who went on, else after 10 s without I/O."""
        deadline = time.monotonic() + IO_DEADLINE_S + PASS_AT_MOST
        while last.of[DRBD]["did"] != "isolate" and time.monotonic() < deadline:
            last = self.apply(host)
        return last

    @staticmethod
    def status(host: Machine) -> Seen:
        """Ask how all three stand."""
        begun = time.monotonic()
        done = host.run(("nvkeep", "status", "--json"), check=False, timeout=120)
        sys.stderr.write(f"{host.name}: {done.returncode}\n{done.stdout}{done.stderr}")
        return Seen(done.returncode, {one["service"]: one for one in json.loads(done.stdout)}, time.monotonic() - begun)

    @staticmethod
    def here(host: Machine) -> dict[str, tuple[bool, bool]]:
        """Look without nvkeep: is it mounted, is the address there."""
        mounted = host.run(("findmnt", "--noheadings", "--raw", "--output=TARGET")).stdout.split()
        addresses = host.run(("ip", "-4", "-oneline", "address", "show", "dev", "eth0")).stdout
        return {name: (f"/srv/{name}" in mounted, f" {ADDRESSES[name]}/" in addresses) for name in BACKENDS}

    @staticmethod
    def keep(host: Machine, name: str) -> None:
        """Write a file to each volume that is on the disk when this returns."""
        for backend in BACKENDS:
            host.run(("sh", "-c", f"echo {name} > /srv/{backend}/{name} && sync /srv/{backend}/{name}"))

    @staticmethod
    def kept(host: Machine, name: str) -> dict[str, bool]:
        """Look for such a file."""
        return {one: host.run(("cat", f"/srv/{one}/{name}"), check=False).stdout == f"{name}\n" for one in BACKENDS}


def configure(farm: Farm) -> None:
    """Write cluster.yaml, and two whose units do not start: one is not there, one leaves a process on the mount."""
    members = "".join(
        f"  {host.name}: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(host.host)}}}]}}\n" for host in farm.hosts
    )
    head = f"cluster: lab\nhosts:\n{members}timing: {{step: 8}}\nservices:\n"
    for host in farm.hosts:
        for file, unit in UNITS.items():
            services = (
                SERVICE_YAML.format(name=name, where=WHERE[name], address=ADDRESSES[name], unit=unit.format(name))
                for name in BACKENDS
            )
            host.write(file, head + "".join(services))
            host.run(("sync", file))  # or a power cut leaves it empty
    for name in BACKENDS:
        farm.a.write(f"/run/systemd/system/litter-{name}.service", LITTER.format(name=name))
    farm.a.run(("systemctl", "daemon-reload"))


def forget(host: Machine) -> None:
    """Leave nothing of nvkeep's on a host."""
    for address in ADDRESSES.values():
        host.run(("ip", "address", "del", f"{address}/24", "dev", "eth0"), check=False)
    host.run(("sh", "-c", "rm -rf /etc/nvkeep/*.yaml /var/lib/nvkeep/loss /run/nvkeep/*"))
    host.run(("systemd-tmpfiles", "--create", "nvkeep.conf"))


@pytest.fixture(scope="module")
def stage(whole_farm: Farm) -> Iterator[Stage]:
    farm = whole_farm
    ready = Stage(farm, Namespace(farm), Lun(farm))
    ready.namespace.clear()
    ready.lun.clear()
    farm.mirror.create()
    farm.a.run(("mkfs.ext4", "-q", "-F", DISKS[NVME]))
    farm.a.run(("mkfs.ext4", "-q", "-F", DISKS[SCSI]))
    farm.a.run(("drbdadm", "primary", RESOURCE))
    farm.a.run(("mkfs.ext4", "-q", "-F", DISKS[DRBD]))
    farm.a.run(("drbdadm", "secondary", RESOURCE))
    configure(farm)
    yield ready
    farm.target.heal()
    for host in farm.hosts:
        tidy(host)
        forget(host)


@dataclass
class Phase:
    """What was seen in one phase."""

    passes: dict[str, Seen]
    looks: dict[str, Seen]
    here: dict[str, dict[str, tuple[bool, bool]]]
    true: dict[str, dict[str, bool]]
    hanging: int = 0


def phase() -> Phase:
    return Phase({}, {}, {}, {})


@pytest.fixture(scope="module")
def served(stage: Stage) -> Phase:
    """Free; taken and given back; taken and kept because something is busy; taken by srv-a, and refused to srv-b."""
    found, a, b = phase(), stage.farm.a, stage.farm.b
    with ThreadPoolExecutor() as pool:
        listening = pool.submit(stage.apply, b, "BACKUP")
        found.looks["free"] = stage.status(a)
        listening.result()
    listened = time.monotonic()
    found.passes["given back"] = stage.apply(a, "MASTER", BROKEN)
    found.here["given back"] = stage.here(a)
    found.looks["given back"] = stage.status(b)
    found.passes["busy"] = stage.apply(a, file=LITTERING)
    found.here["busy"] = stage.here(a)
    with ThreadPoolExecutor() as pool:
        look = pool.submit(stage.status, b)
        found.looks["busy"] = stage.status(a)
        found.looks["busy, from the other"] = look.result()
    a.run(("pkill", "-x", "sleep"), check=False)
    found.passes["acquire"] = stage.apply(a)
    found.here["acquire"] = stage.here(a)
    stage.keep(a, "kept")
    time.sleep(max(0.0, listened + HEARD - time.monotonic()))
    stage.apply(b)
    found.passes["refused"] = stage.apply(b, "MASTER")
    found.here["refused"], found.here["refusing"] = stage.here(b), stage.here(a)
    found.looks["refusing"] = stage.status(a)
    stage.keep(a, "after")
    found.true["writes go on"] = stage.kept(a, "after")
    return found


@pytest.fixture(scope="module")
def crashed(stage: Stage, served: Phase) -> Phase:
    """srv-a loses its power, srv-b takes; srv-a comes back."""
    assert served
    found, farm, a, b = phase(), stage.farm, stage.farm.a, stage.farm.b
    a.power_cut()
    farm.mirror.wait(b, "role:Unknown")
    found.passes["seize"] = stage.apply(b)
    found.here["seize"] = stage.here(b)
    found.true["kept"] = stage.kept(b, "kept")
    stage.keep(b, "new")
    a.boot()
    farm.nvme.connect(a)
    farm.iscsi.connect(a)
    farm.mirror.up(a)
    farm.mirror.wait(a, "replication:Established")
    farm.mirror.wait(a, "disk:UpToDate")
    found.passes["back"] = stage.apply(a, "BACKUP")
    found.here["back"] = stage.here(a)
    found.looks["back"] = stage.status(a)
    found.true["fenced"] = {name: write(a, DISKS[name]).returncode != 0 for name in BACKENDS}
    found.here["holder"] = stage.here(b)
    return found


@pytest.fixture(scope="module")
def frozen(stage: Stage, crashed: Phase) -> Phase:
    """srv-b is frozen, srv-a takes, srv-b goes on."""
    assert crashed
    found, farm, a, b = phase(), stage.farm, stage.farm.a, stage.farm.b
    b.freeze()
    farm.mirror.wait(a, "role:Unknown")
    found.passes["seize"] = stage.apply(a, "MASTER")
    found.here["seize"] = stage.here(a)
    found.true["new"] = stage.kept(a, "new")
    b.thaw()
    farm.mirror.wait_refused()
    until(lambda: farm.nvme.live(b) and farm.iscsi.live(b), within=60, what="srv-b has its ways back", every=0.5)
    found.passes["isolate"] = stage.apply(b)
    found.passes["isolate drbd"] = stage.until_isolated(b, found.passes["isolate"])
    found.here["isolate"] = stage.here(b)
    found.looks["isolate"] = stage.status(b)
    found.true["fenced"] = {name: write(b, DISKS[name]).returncode != 0 for name in FENCED}
    return found


@pytest.fixture(scope="module")
def unknown(stage: Stage, frozen: Phase) -> Phase:
    """Nobody reaches the target, and DRBD is down on srv-b."""
    assert frozen
    found, farm, a, b = phase(), stage.farm, stage.farm.a, stage.farm.b
    farm.mirror.down(b)
    stage.apply(b, "BACKUP")
    before = stage.here(b)
    farm.target.cut()
    try:
        with ThreadPoolExecutor() as pool:
            other = pool.submit(stage.apply, b)
            found.passes["holder"] = stage.apply(a)
            found.passes["other"] = other.result()
        found.here["holder"], found.here["other"], found.here["before"] = stage.here(a), stage.here(b), before
        found.looks["other"] = stage.status(b)
        found.hanging = int(b.run(("pgrep", "-c", "sg_persist"), check=False).stdout)
    finally:
        farm.target.heal()
    until(lambda: farm.nvme.live(a) and farm.iscsi.live(a), within=60, what="srv-a has its ways back", every=0.5)
    found.passes["again"] = stage.apply(a)
    return found


def holder(look: Seen, backend: str) -> str:
    return str(look.of[backend]["holder"])


def words(done: Seen, backend: str) -> dict[str, str]:
    return {one["key"].partition(" ")[0]: one["word"] for one in done.of[backend]["outcomes"]}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_free_volume_is_told_free_and_acquired(served: Phase, backend: str) -> None:
    assert holder(served.looks["free"], backend) == "nobody"
    done = served.passes["acquire"]
    assert (done.code, done.of[backend]["did"]) in ((0, "acquire"), (0, "serve"))
    assert served.here["acquire"][backend] == BOTH


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_was_taken_is_given_back_when_a_unit_does_not_start(stage: Stage, served: Phase, backend: str) -> None:
    assert stage
    assert served.passes["given back"].of[backend]["did"] == "acquire"
    assert words(served.passes["given back"], backend)["service"] == "failed"
    assert served.here["given back"][backend] == NEITHER
    assert holder(served.looks["given back"], backend) == "nobody"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_busy_file_system_keeps_its_volume(served: Phase, backend: str) -> None:
    assert words(served.passes["busy"], backend)["service"] == "failed"
    assert served.here["busy"][backend] == (True, False)
    assert holder(served.looks["busy"], backend) == "this host"
    assert holder(served.looks["busy, from the other"], backend).startswith("another host")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_busy_file_system_is_told_stuck(served: Phase, backend: str) -> None:
    assert served.passes["busy"].code == STUCK
    assert words(served.passes["busy"], backend)["mount"] == "stuck"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_master_that_hears_the_address_takes_nothing(served: Phase, backend: str) -> None:
    done = served.passes["refused"]
    assert (done.code, done.of[backend]["did"]) == (0, "yield")
    assert served.here["refused"][backend] == NEITHER
    assert served.here["refusing"][backend] == BOTH
    assert holder(served.looks["refusing"], backend) == "this host"
    assert served.true["writes go on"][backend]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_volume_of_a_host_without_power_is_seized(crashed: Phase, backend: str) -> None:
    done = crashed.passes["seize"]
    assert (done.code, done.of[backend]["did"]) == (0, "seize")
    assert crashed.here["seize"][backend] == BOTH
    assert crashed.true["kept"][backend]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_holder_that_crashed_and_is_back_leaves_everything_alone(crashed: Phase, backend: str) -> None:
    done = crashed.passes["back"]
    assert (done.code, done.of[backend]["did"]) == (0, "rest")
    assert crashed.here["back"][backend] == NEITHER
    assert crashed.here["holder"][backend] == BOTH
    assert crashed.true["fenced"][backend]
    assert holder(crashed.looks["back"], backend).startswith("another host")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_holder_is_told_by_name(crashed: Phase, backend: str) -> None:
    assert holder(crashed.looks["back"], backend) == "another host (srv-b)"


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_volume_of_a_frozen_host_is_seized(frozen: Phase, backend: str) -> None:
    done = frozen.passes["seize"]
    assert (done.code, done.of[backend]["did"]) == (0, "seize")
    assert frozen.here["seize"][backend] == BOTH
    assert frozen.true["new"][backend]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_holder_that_lost_its_volume_while_frozen_isolates(frozen: Phase, backend: str) -> None:
    done = frozen.passes["isolate drbd" if backend == DRBD else "isolate"]
    assert done.of[backend]["did"] == "isolate"
    assert set(words(done, backend).values()) <= {"converged", "in-sync"}
    assert frozen.here["isolate"][backend] == NEITHER
    assert done.seconds < PASS_AT_MOST


def test_a_copy_that_was_given_up_is_not_taken_for_good(frozen: Phase) -> None:
    assert "Diskless" in frozen.looks["isolate"].of[DRBD]["why"]


@pytest.mark.parametrize("backend", FENCED)
def test_the_writes_of_a_holder_that_lost_its_volume_fail(frozen: Phase, backend: str) -> None:
    assert frozen.true["fenced"][backend]
    assert holder(frozen.looks["isolate"], backend) == "another host (srv-a)"


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_cannot_be_told_is_told_unknown_and_left_alone(unknown: Phase, backend: str) -> None:
    assert unknown.looks["other"].code == UNKNOWN
    assert unknown.looks["other"].of[backend]["summary"] == "unknown"
    assert holder(unknown.looks["other"], backend) == "unknown"
    assert unknown.passes["other"].of[backend]["did"] == "wait"
    assert unknown.here["other"][backend] == unknown.here["before"][backend]
    assert max(done.seconds for done in (*unknown.passes.values(), *unknown.looks.values())) < PASS_AT_MOST


def test_commands_that_hang_do_not_pile_up(unknown: Phase) -> None:
    assert unknown.hanging <= 1


@pytest.mark.parametrize("backend", FENCED)
def test_a_holder_that_cannot_reach_its_volume_keeps_it_for_a_while_and_goes_on(unknown: Phase, backend: str) -> None:
    assert unknown.passes["holder"].of[backend]["did"] == "wait"
    assert unknown.here["holder"][backend] == BOTH
    assert unknown.passes["again"].of[backend]["did"] == "serve"
