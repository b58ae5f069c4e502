"""What emulated machines need of this machine; says in one line what is lacking and the command that mends it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lab.commands import LabError

COMMANDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "debootstrap": "debootstrap",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
}
MEMORY_MB = 2600  # three machines, 0.65 GB each in use, and what runs beside them


def lacking() -> str | None:
    """Return what is lacking and how to mend it, in one line; None when nothing is."""
    if os.geteuid() != 0:
        return "emulated machines need root for their network: run it with sudo"
    packages = sorted({package for command, package in COMMANDS.items() if not shutil.which(command)})
    if packages:
        return f"emulated machines need: apt-get install {' '.join(packages)}"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun is missing: modprobe tun"
    if available_mb() < MEMORY_MB:
        return f"emulated machines need {MEMORY_MB} MB of free memory, there are {available_mb()}"
    return None


def available_mb() -> int:
    """Return the memory that can be had, as the kernel estimates it."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) // 1024


def demand() -> None:
    """Raise LabError when something is lacking."""
    missing = lacking()
    if missing:
        raise LabError(missing)


if __name__ == "__main__":
    missing = lacking()
    if missing:
        sys.exit(missing)
