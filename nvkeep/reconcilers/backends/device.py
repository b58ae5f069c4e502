"""Backend `device`: a device that is simply there, for storage that something else fences.

Nobody can be asked who holds it, so every host but the one that took it in this boot counts it as another's: it is taken only
by a master, after the guard. nvkeep alone gives no safety against two writers here; `nvkeep check` says so.
"""

from typing import Literal

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Lack
from nvkeep.model.names import Path, check_name, wrong
from nvkeep.model.plan import Steps, steps
from nvkeep.model.spec import VolumeSpec
from nvkeep.probes.io import does_io
from nvkeep.probes.tool import without_device
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding, Unique, Volume

DIRECTORY = "/dev/nvkeep"


class DeviceVolume(VolumeSpec):
    """A block device, best named by /dev/disk/by-id."""

    backend: Literal["device"] = "device"
    path: Path

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.path.startswith("/dev/"):
            raise wrong(f'"{self.path}" is not a device', "write it like /dev/disk/by-id/...")

    @property
    def device(self) -> str:
        """A link of nvkeep's own; that it is there means that this host took the volume in this boot."""
        return f"{DIRECTORY}/{self.name}"


class DeviceBackend(Backend[DeviceVolume]):
    """A link in /dev, which is gone with the boot, stands for the hold."""

    Spec = DeviceVolume
    unique = (Unique("path", "device", "write another device"),)
    gives_up = "nvkeep alone gives no safety against two writers; something else has to fence this storage"

    def lacking(self, host: Host, ask: Ask[DeviceVolume]) -> Lack | None:
        """Look for the device."""
        return without_device(host, ask.spec.path)

    def observe(self, host: Host, ask: Ask[DeviceVolume]) -> Volume | None:
        """Look at the link."""
        here = host.link_target(ask.spec.device) == _path(host, ask)
        return Volume(ask.spec.device, io=does_io(host, ask.spec.device)) if here else None

    def holder(self, host: Host, ask: Ask[DeviceVolume]) -> Holding:
        """Tell me, or another: nobody can be asked."""
        here = host.link_target(ask.spec.device) == _path(host, ask)
        return Holding(Holder.ME, ask.host) if here else Holding(Holder.ANOTHER)

    def acquire(self, ask: Ask[DeviceVolume]) -> Steps:
        """Make the link."""
        return steps(("mkdir", "-p", DIRECTORY), ("ln", "-sfn", ask.spec.path, ask.spec.device), timeout=5.0)

    def seize(self, ask: Ask[DeviceVolume], version: int | None) -> Steps:  # noqa: ARG002 - there is nothing to read a version from
        """Make the link: whatever fences this storage has to have done so."""
        return self.acquire(ask)

    def release(self, ask: Ask[DeviceVolume], have: Volume) -> Steps:  # noqa: ARG002 - there is only one state
        """Remove the link."""
        return steps(("rm", "-f", ask.spec.device), timeout=5.0)


def _path(host: Host, ask: Ask[DeviceVolume]) -> str:
    path = ask.spec.path
    if host.device_number(path) is None:
        raise ProbeError(f"there is no block device {path}")
    return path


BACKEND = DeviceBackend()
