"""Where the lab keeps what it makes; fixed names, so that a later run finds what a killed one left."""

from __future__ import annotations

from pathlib import Path

from lab.base import CACHE, LANE

REPOSITORY = Path(__file__).resolve().parent.parent
STATE = Path(f"/run/nvkeep-lab{LANE}")
LOCK = Path(f"/run/nvkeep-lab{LANE}.lock")
# A link from STATE: the cache directory may be another one in the next run, its leftovers must still be found.
DISK_LINK = STATE / "disk"
DISK = CACHE / f"run{LANE}"
NETWORK = STATE / "network"
CONTROL = STATE / "control.sock"
VIEWS = DISK / "views"
VOLUMES = DISK / "volumes"
SHARED = DISK / "shared"
SERVERS = DISK / "servers"
EVENTS = DISK / "events.jsonl"


def server(name: str) -> Path:
    """Return the directory of one server: its disk, its console, its side of the storage."""
    return SERVERS / name


def nvmesh(name: str) -> Path:
    """Return the directory of one server's NVMesh client: `proc`, `dev` and `sock`, bind-mounted into it."""
    return SERVERS / name / "nvmesh"
