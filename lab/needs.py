"""What the lab needs of the machine; says in one line what is lacking and the command that fixes it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cgroups import hierarchies
from lab.commands import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "losetup": "mount",
    "nsenter": "util-linux",
    "umount": "mount",
}
MODULES = {"overlay": "overlay", "fuse": "fuse"}


def lacking() -> str | None:
    """Return what is lacking and how to fix it, in one line; None when nothing is."""
    return unmet("the lab needs", COMMANDS, "apt-lab") or _kernel() or _libraries()


def unmet(who: str, commands: Mapping[str, str], goal: str) -> str | None:
    """Return what is lacking to run those commands as root, and which of make's goals installs it."""
    if os.geteuid() != 0:
        return f"{who} root: run it with sudo"
    packages = sorted({package for command, package in commands.items() if not shutil.which(command)})
    if packages:
        return f"{who}: apt-get install {' '.join(packages)} (make {goal} does)"
    return None


def _kernel() -> str | None:
    known = Path("/proc/filesystems").read_text().split()
    for name, module in MODULES.items():
        if name not in known:
            return f"the kernel does not know {name}: modprobe {module}"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not Path(device).exists():
            return f"{device} is missing: modprobe {'fuse' if 'fuse' in device else 'loop'}"
    for top in hierarchies():
        if not (top / "cgroup.procs").exists():
            return f"no cgroup hierarchy at {top}: mount -t cgroup2 none /sys/fs/cgroup"
    return None


def _libraries() -> str | None:
    try:
        import mfusepy  # noqa: F401, PLC0415
        import psycopg2  # noqa: F401, PLC0415
    except OSError:
        return "the lab needs the FUSE library: apt-get install libfuse2 (make apt-lab does)"
    except ImportError:
        return "the lab needs the Python packages of its extra: pip install -e '.[lab]' (make cluster does)"
    return None


def demand(missing: str | None) -> None:
    """Raise LabError with what is lacking, if anything is."""
    if missing is not None:
        raise LabError(missing)
