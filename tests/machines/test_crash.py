"""What survives when a holder, or the storage itself, loses its power."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.commands import until
from lab.vm.mirror import DEVICE, Mirror
from lab.vm.wires import REPLICATION
from tests.machines.golden import said
from tests.machines.nvme import write
from tests.machines.test_drbd import CALLING, EVENTS, FORCE, PRIMARY, SECONDARY, STATUS, UNSEEN

if TYPE_CHECKING:
    from lab.vm.farm import Farm
    from lab.vm.machine import Machine
    from tests.machines.nvme import Namespace
    from tests.machines.scsi import Lun

A, B = 0xA, 0xB
POINTS = ("/srv/nvme", "/srv/scsi", "/srv/drbd")


def test_a_holder_loses_its_power(farm: Farm, namespace: Namespace, lun: Lun, mirror: Mirror) -> None:
    a, b = farm.a, farm.b
    namespace.hold(a, A)
    lun.hold(a, A)
    a.run(PRIMARY)
    devices = (namespace.device, lun.device, DEVICE)
    for point, device, make in zip(POINTS, devices, ("mkfs.xfs", "mkfs.ext4", "mkfs.ext4"), strict=True):
        a.run((make, "-q", "-f" if make == "mkfs.xfs" else "-F", device))
        use(a, device, point)
    a.power_cut()
    assert namespace.holder(b) == 1
    assert lun.holder(b) == A
    b.run(namespace.register(B))
    b.run(namespace.preempt(B, A))
    b.run(lun.register(B))
    b.run(lun.preempt(B, A))
    mirror.wait(b, CALLING)
    said("drbd/events-primary-crashed", b, EVENTS)
    assert UNSEEN in said("drbd/primary-primary-crashed", b, PRIMARY).stderr
    b.run(FORCE)
    for point, device in zip(POINTS, devices, strict=True):
        b.run(("mkdir", "-p", point))
        b.run(("mount", device, point))
        assert b.read(f"{point}/kept") == "acknowledged\n"
        b.run(("sh", "-c", f"echo new > {point}/new && sync {point}/new"))
    comes_back(farm, namespace, lun, mirror)
    for point in POINTS:
        b.run(("umount", point))
    b.run(SECONDARY)


def comes_back(farm: Farm, namespace: Namespace, lun: Lun, mirror: Mirror) -> None:
    """Boot the old holder: it holds nothing, it cannot write, and it does not mistake its old data for good."""
    a = farm.a
    a.cut(REPLICATION)
    a.boot()
    assert farm.nvme.connect(a) == namespace.device
    assert farm.iscsi.connect(a) == lun.device
    assert namespace.holder(a) == 2
    assert lun.holder(a) == B
    said("nvme/report-rebooted", a, namespace.report)
    assert write(a, namespace.device).returncode
    assert write(a, lun.device).returncode
    mirror.up(a)
    mirror.wait(a, CALLING)
    said("drbd/events-rebooted-alone", a, EVENTS)
    said("drbd/status-rebooted-alone", a, STATUS)
    assert said("drbd/primary-rebooted-alone", a, PRIMARY).returncode == 17
    a.heal(REPLICATION)
    mirror.wait(a, "replication:Established")
    mirror.wait(a, "disk:UpToDate")
    assert "connection:Connected role:Primary" in mirror.state(a)


def test_the_storage_loses_its_power(farm: Farm, namespace: Namespace, lun: Lun) -> None:
    a, b, target = farm.a, farm.b, farm.target
    namespace.hold(a, A)
    lun.hold(a, A)
    a.run(("mkfs.xfs", "-q", "-f", namespace.device))
    use(a, namespace.device, POINTS[0])
    target.power_cut()
    target.boot()
    farm.start_target()
    for host in farm.hosts:
        until(lambda host=host: farm.nvme.live(host), within=60, what=f"{host.name} has its way back", every=0.5)  # type: ignore[misc]
    # NVMe: the reservation is gone and nothing says so. SCSI with APTPL: it is still there.
    assert said("nvme/report-target-rebooted", a, namespace.report).returncode == 0
    assert namespace.reported(a)["regctl"] == 0
    assert lun.holder(b) == A
    assert write(b, lun.device).returncode
    assert write(a, lun.device).returncode == 0
    # What was mounted goes on, unprotected, until it is reserved again.
    a.run(("sh", "-c", f"echo on > {POINTS[0]}/on && sync {POINTS[0]}/on"))
    namespace.hold(a, A)
    assert write(b, namespace.device).returncode
    assert a.read(f"{POINTS[0]}/kept") == "acknowledged\n"
    a.run(("umount", POINTS[0]))


def use(host: Machine, device: str, point: str) -> None:
    host.run(("mkdir", "-p", point))
    host.run(("mount", device, point))
    host.run(("sh", "-c", f"echo acknowledged > {point}/kept && sync {point}/kept; echo late > {point}/late"))
