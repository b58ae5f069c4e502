"""The commands of NVMe reservations, as a backend would give them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

    from lab.vm.farm import Farm
    from lab.vm.machine import Machine

WRITE_EXCLUSIVE = 1
REGISTRANTS_ONLY = 3  # write exclusive, registrants only
CONFLICT = "Reservation Conflict"


class Namespace:
    """The volume, connected on both hosts."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.device = farm.nvme.connect(farm.a)
        assert farm.nvme.connect(farm.b) == self.device

    def clear(self) -> None:
        """Remove every registration and the reservation."""
        host = self.farm.a
        host.run(("nvme", "resv-register", self.device, "--nrkey=0xf", "--rrega=2", "--iekey"), check=False)
        if host.run(("nvme", "resv-release", self.device, "--crkey=0xf", "--rrela=1"), check=False).returncode:
            host.run(("nvme", "resv-register", self.device, "--nrkey=0xf", "--rrega=0"))
            host.run(("nvme", "resv-release", self.device, "--crkey=0xf", "--rrela=1"))

    def register(self, key: int) -> tuple[str, ...]:
        """Return the command that registers a key; the same key again is no error."""
        return ("nvme", "resv-register", self.device, f"--nrkey={key:#x}", "--rrega=0")

    def unregister(self, key: int) -> tuple[str, ...]:
        """Return the command that removes the own key, and the reservation of its holder with it."""
        return ("nvme", "resv-register", self.device, f"--crkey={key:#x}", "--rrega=1")

    def acquire(self, key: int, kind: int = WRITE_EXCLUSIVE) -> tuple[str, ...]:
        """Return the command that reserves without taking from another."""
        return ("nvme", "resv-acquire", self.device, f"--crkey={key:#x}", f"--rtype={kind}", "--racqa=0")

    def preempt(self, key: int, other: int, kind: int = WRITE_EXCLUSIVE) -> tuple[str, ...]:
        """Return the command that takes from the holder of a key, and aborts what it has under way."""
        return ("nvme", "resv-acquire", self.device, f"--crkey={key:#x}", f"--prkey={other:#x}", f"--rtype={kind}", "--racqa=2")

    def release(self, key: int, kind: int = WRITE_EXCLUSIVE) -> tuple[str, ...]:
        """Return the command that gives the reservation back; the key stays registered."""
        return ("nvme", "resv-release", self.device, f"--crkey={key:#x}", f"--rtype={kind}", "--rrela=0")

    @property
    def report(self) -> tuple[str, ...]:
        """The command that tells who holds. Without --eds a target over a network refuses it."""
        return ("nvme", "resv-report", self.device, "--eds", "--output-format=json")

    def hold(self, host: Machine, key: int, kind: int = WRITE_EXCLUSIVE) -> None:
        """Register and reserve."""
        host.run(self.register(key))
        host.run(self.acquire(key, kind))

    def holder(self, host: Machine) -> int | None:
        """Return the number of the host that holds, as another sees it."""
        reported = json.loads(host.run(self.report).stdout)
        return next((int(one["hostid"], 16) for one in reported["regctlext"] if one["rcsts"] & 1), None)

    def keys(self, host: Machine) -> list[int]:
        """Return the registered keys."""
        return sorted(one["rkey"] for one in self.reported(host)["regctlext"])

    def reported(self, host: Machine) -> dict[str, Any]:
        """Return the report."""
        found: dict[str, Any] = json.loads(host.run(self.report).stdout)
        return found


def write(host: Machine, device: str) -> subprocess.CompletedProcess[str]:
    """Write one block past the page cache, to where no file system keeps anything."""
    return host.run(("dd", "if=/dev/zero", f"of={device}", "bs=4k", "count=1", "oflag=direct", "status=none"), check=False)


def read(host: Machine, device: str) -> subprocess.CompletedProcess[str]:
    """Read one block past the page cache."""
    return host.run(("dd", f"if={device}", "of=/dev/null", "bs=4k", "count=1", "iflag=direct", "status=none"), check=False)
