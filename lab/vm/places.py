"""Where the emulated machines keep what they make; fixed names, so that a later run finds what a killed one left."""

from __future__ import annotations

from pathlib import Path

from lab.base import CACHE

# Not below lab.places.STATE: a lab and a farm may be up at once, and each cleans only what is its own.
STATE = Path("/run/nvkeep-farm")
LOCK = Path("/run/nvkeep-farm.lock")
NAMESPACE = STATE / "network"
DISK = CACHE / "farm"
IMAGES = CACHE


def machine(name: str) -> Path:
    """Return the directory with the disks and the console of one machine."""
    return DISK / name


def sockets(name: str) -> Path:
    """Return the directory with the sockets and the pid of one machine."""
    return STATE / name
