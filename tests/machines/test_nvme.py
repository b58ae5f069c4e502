"""NVMe reservations as a Linux target keeps them: what a backend may count on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.commands import until
from tests.machines.golden import said
from tests.machines.nvme import CONFLICT, REGISTRANTS_ONLY, WRITE_EXCLUSIVE, Namespace, read, write

if TYPE_CHECKING:
    from lab.vm.farm import Farm

A, B = 0xA, 0xB
INVALID_EXCHANGE = "Invalid exchange"  # EBADE: the kernel's word for a reservation conflict


def test_acquiring_does_not_take_from_another(farm: Farm, namespace: Namespace) -> None:
    a, b, vol = farm.a, farm.b, namespace
    said("nvme/version", a, ("nvme", "version"))
    said("nvme/list-subsys", a, ("nvme", "list-subsys", "--output-format=json"))
    said("nvme/report-free", a, vol.report)
    assert CONFLICT in said("nvme/acquire-unregistered", a, vol.acquire(A)).stderr
    assert said("nvme/register", a, vol.register(A)).returncode == 0
    assert said("nvme/register-again", a, vol.register(A)).returncode == 0
    assert CONFLICT in said("nvme/register-other-key", a, vol.register(0xAA)).stderr
    said("nvme/report-registered", a, vol.report)
    assert said("nvme/acquire", a, vol.acquire(A)).returncode == 0
    assert said("nvme/acquire-again", a, vol.acquire(A)).returncode == 0
    said("nvme/report-held-by-me", a, vol.report)
    b.run(vol.register(B))
    refused = said("nvme/acquire-refused", b, vol.acquire(B))
    assert (refused.returncode, CONFLICT in refused.stderr) == (1, True)
    said("nvme/report-held-by-other", b, vol.report)
    assert said("nvme/release-by-other", b, vol.release(B)).returncode == 0  # it says success, and does nothing
    assert vol.holder(b) == 1


def test_the_report_wants_the_long_host_identifier(farm: Farm, namespace: Namespace) -> None:
    argv = ("nvme", "resv-report", namespace.device, "--output-format=json")
    assert "Host Identifier Inconsistent Format" in said("nvme/report-without-eds", farm.a, argv).stderr
    missing = ("nvme", "resv-report", "/dev/nvme9n1", "--eds", "--output-format=json")
    assert said("nvme/report-no-device", farm.a, missing).returncode == 1


def test_release_and_unregister(farm: Farm, namespace: Namespace) -> None:
    a, vol = farm.a, namespace
    vol.hold(a, A)
    assert said("nvme/release", a, vol.release(A)).returncode == 0
    said("nvme/report-released", a, vol.report)
    assert said("nvme/unregister", a, vol.unregister(A)).returncode == 0
    assert vol.keys(a) == []
    vol.hold(a, A)
    a.run(vol.unregister(A))
    assert vol.holder(a) is None


@pytest.mark.parametrize("kind", [WRITE_EXCLUSIVE, REGISTRANTS_ONLY])
def test_a_host_that_is_not_registered_can_read_but_not_write(farm: Farm, namespace: Namespace, kind: int) -> None:
    namespace.hold(farm.a, A, kind)
    assert write(farm.a, namespace.device).returncode == 0
    refused = write(farm.b, namespace.device)
    assert INVALID_EXCHANGE in refused.stderr
    assert read(farm.b, namespace.device).returncode == 0
    assert "reservation conflict error" in farm.b.kernel_log(3)


def test_only_type_1_keeps_a_registered_standby_from_writing(farm: Farm, namespace: Namespace) -> None:
    for kind, allowed in ((REGISTRANTS_ONLY, True), (WRITE_EXCLUSIVE, False)):
        namespace.clear()
        namespace.hold(farm.a, A, kind)
        farm.b.run(namespace.register(B))
        assert (write(farm.b, namespace.device).returncode == 0) is allowed


@pytest.mark.parametrize("kind", [WRITE_EXCLUSIVE, REGISTRANTS_ONLY])
def test_preempting_fences(farm: Farm, namespace: Namespace, kind: int) -> None:
    a, b, vol = farm.a, farm.b, namespace
    vol.hold(a, A, kind)
    b.run(vol.register(B))
    assert said(f"nvme/preempt-{kind}", b, vol.preempt(B, A, kind)).returncode == 0
    said(f"nvme/report-preempted-{kind}", a, vol.report)
    assert INVALID_EXCHANGE in write(a, vol.device).stderr
    assert CONFLICT in said(f"nvme/release-preempted-{kind}", a, vol.release(A, kind)).stderr
    assert CONFLICT in said(f"nvme/acquire-preempted-{kind}", a, vol.acquire(A, kind)).stderr
    assert vol.holder(a) == 2
    # A preempted host can register again. With type 3 it can write then: a tool that registers to look gives the fence up.
    a.run(vol.register(A))
    assert (write(a, vol.device).returncode == 0) is (kind == REGISTRANTS_ONLY)


def test_preempting_names_the_holder_it_takes_from(farm: Farm, namespace: Namespace) -> None:
    a, b, vol = farm.a, farm.b, namespace
    vol.hold(a, A)
    b.run(vol.register(B))
    assert CONFLICT in said("nvme/preempt-wrong-key", b, vol.preempt(B, 0xFF)).stderr
    assert "Invalid Field in Command" in said("nvme/preempt-no-key", b, vol.preempt(B, 0)).stderr
    assert vol.holder(b) == 1


def test_a_reservation_outlives_the_connection_of_its_holder(farm: Farm, namespace: Namespace) -> None:
    vol = namespace
    vol.hold(farm.a, A)
    farm.nvme.disconnect(farm.a)
    assert vol.holder(farm.b) == 1
    assert farm.nvme.connect(farm.a) == vol.device
    assert write(farm.a, vol.device).returncode == 0


def test_a_frozen_holder_that_wakes_up_cannot_write(farm: Farm, namespace: Namespace) -> None:
    a, b, vol = farm.a, farm.b, namespace
    vol.hold(a, A)
    a.run(("mkfs.xfs", "-q", "-f", vol.device))
    a.run(("mount", vol.device, "/mnt"))
    a.write("/mnt/kept", "acknowledged\n")
    a.run(("sync", "/mnt/kept"))
    a.write("/mnt/late", "not acknowledged\n")
    a.freeze()
    b.run(vol.register(B))
    b.run(vol.preempt(B, A))
    b.run(("mount", vol.device, "/mnt"))
    assert b.read("/mnt/kept") == "acknowledged\n"
    b.write("/mnt/new", "of the new holder\n")
    b.run(("sync", "/mnt/new"))
    a.thaw()
    assert a.run(("sync", "/mnt/late"), check=False).returncode != 0
    assert "reservation conflict error" in a.kernel_log()
    a.run(("sync", "-f", "/mnt"), check=False)  # a data write that fails is only an error; one of xfs's log ends it
    until(
        lambda: "shut down" in a.kernel_log().lower().replace("shutting", "shut"), within=20, what="xfs shuts down", every=0.5
    )
    a.run(("umount", "/mnt"))
    b.run(("umount", "/mnt"))
    b.run(("mount", vol.device, "/mnt"))
    assert b.read("/mnt/new") == "of the new holder\n"
    b.run(("umount", "/mnt"))
    b.run(("xfs_repair", "-n", vol.device))
