"""One farm for all: a boot costs half a minute. Each test asks for a volume, and gets it free and connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.commands import LabError
from lab.vm import needs
from lab.vm.farm import Farm
from lab.vm.wires import NETS
from tests.machines.nvme import Namespace
from tests.machines.scsi import Lun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.vm.machine import Machine
    from lab.vm.mirror import Mirror

MOUNTED = ("findmnt", "--noheadings", "--raw", "--output=TARGET", "--types=ext4,xfs")


@pytest.fixture(scope="session", autouse=True)
def requirements() -> None:
    """Fail, never skip: a run that shows nothing must not look like one that found nothing."""
    lacking = needs.lacking()
    if lacking is not None:
        pytest.fail(lacking, pytrace=False)


@pytest.fixture(scope="session")
def whole_farm() -> Iterator[Farm]:
    with Farm(install=True) as farm:
        yield farm


@pytest.fixture
def farm(whole_farm: Farm) -> Iterator[Farm]:
    yield whole_farm
    for host in whole_farm.hosts:
        for net in NETS:
            host.heal(net)
    if not whole_farm.target.alive:
        whole_farm.target.boot()
        whole_farm.start_target()
    for host in whole_farm.hosts:
        tidy(host)


def tidy(host: Machine) -> None:
    """Leave nothing in use on a host; one that is off, or where something hangs, is booted."""
    try:
        host.thaw()
        for point in host.run(MOUNTED, timeout=5).stdout.split():
            if point != "/":
                host.run(("umount", point), timeout=5)
        if "drbd" in host.read("/proc/modules"):
            host.run(("drbdadm", "down", "all"), timeout=5, check=False)
    except LabError:
        host.power_cut()
        host.boot()


@pytest.fixture
def namespace(farm: Farm) -> Namespace:
    found = Namespace(farm)
    found.clear()
    return found


@pytest.fixture
def lun(farm: Farm) -> Lun:
    found = Lun(farm)
    found.clear()
    return found


@pytest.fixture
def mirror(farm: Farm) -> Mirror:
    farm.mirror.create()
    return farm.mirror
