"""What emulated machines need of this machine; says in one line what is lacking and the command that fixes it."""

from __future__ import annotations

from pathlib import Path

from lab.needs import unmet

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
    """Return what is lacking and how to fix it, in one line; None when nothing is."""
    return unmet("emulated machines need", COMMANDS, "apt-machines") or _machine()


def _machine() -> str | None:
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun is missing: modprobe tun"
    if available_mb() < MEMORY_MB:
        return f"emulated machines need {MEMORY_MB} MB of free memory, there are {available_mb()}"
    return None


def available_mb() -> int:
    """Return the memory that can be had, as the kernel estimates it."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) // 1024
