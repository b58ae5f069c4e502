"""What stands for /proc/nvmeibc in a server: written by the storage, replaced atomically, gone with a boot."""

from __future__ import annotations

import json
import shutil
import uuid
from typing import TYPE_CHECKING

from lab import places

if TYPE_CHECKING:
    from pathlib import Path

    from lab.attachment import Attachment

BLOCK = 4096
# (attach_status, its number, status, low byte of dbg, io_enabled)
State = tuple[str, int, str, int, int]
PREEMPTED: State = ("Preempted", 0x10, "Reservation Preempted, Only recovery", 0x92, 0)
BOOTING: State = ("Attaching", 0x1, "Booting, no IO", 0x80, 0)
STALLED: State = ("Attached", 0x2, "Live, no IO, Toma Error", 0x12, 0)
LIVE: State = ("Attached", 0x2, "Live, with IO", 0x00, 1)


def tree(host: str) -> Path:
    """Return the outer path of /proc/nvmeibc in one server."""
    return places.nvmesh(host) / "proc/nvmeibc"


def state_of(attachment: Attachment) -> State:
    """Return what the host can see of its attachment: one that is cut off does not see that it was preempted."""
    if attachment.knows_preempted:
        return PREEMPTED
    if not attachment.enabled:
        return BOOTING
    return STALLED if attachment.stalled or attachment.host.cut else LIVE


def facts(attachment: Attachment, style: str) -> dict[str, object]:
    """Return the keys of status.json; style is `hex` or `int` (how dbg is written), or `old` (fewer keys)."""
    name, number, status, low, io_enabled = state_of(attachment)
    volume, dbg = attachment.volume, number << 8 | low
    seen = volume.reservation.version if attachment.knows_preempted else attachment.version
    known: dict[str, object] = {
        "name": volume.name,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, volume.name)),
        "type": "visible",
        "type_num": "0x0",
        "size[blks]": volume.size // BLOCK,
        "block[b]": BLOCK,
        "reservation": attachment.mode,
        "reservation_version": attachment.version,
        "preempt": "No",
        "status": status,
        "dbg": dbg if style == "int" else f"{dbg:#x}",
    }
    newer: dict[str, object] = {"attach_status": name, "RVMS": seen, "io_enabled": io_enabled}
    return known if style == "old" else known | newer


def text_of(attachment: Attachment) -> str:
    """Return the file `status`, the one for people."""
    name, number, status, low, io_enabled = state_of(attachment)
    held = f"{attachment.mode}, version={attachment.version:#x}, preempt=No, rby={attachment.host.name}"
    enabled = "enabled" if io_enabled else "disabled"
    return (
        f"Name={attachment.volume.name}, size={attachment.volume.size}, type=visible (0x0)\n"
        f"Reservation Mode: {{{held}}}\n"
        f"Device status: {name}, {status} (debug:{number << 8 | low:#x}, {io_enabled})\n"
        f"IO is currently {enabled}.\n"
    )


def publish(attachment: Attachment, style: str, override: str | None = None) -> None:
    """Write the files of one attachment; override replaces status.json as it is, valid or not."""
    directory = tree(attachment.host.name) / "volumes" / attachment.volume.name
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts(attachment, style), indent=4) if override is None else override
    _replace(directory / "status.json", text)
    _replace(directory / "status", text_of(attachment))


def withdraw(host: str, volume: str) -> None:
    """Remove the files of one attachment."""
    shutil.rmtree(tree(host) / "volumes" / volume, ignore_errors=True)


def module(host: str, *, ready: bool) -> None:
    """Write the state of the client module of one host; a host that is off or starting has no volumes."""
    top = tree(host)
    shutil.rmtree(top / "volumes", ignore_errors=True)
    (top / "volumes").mkdir(parents=True)
    _replace(top / "status", f"module state={'1 Ready' if ready else '0 Initializing'}\n")


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)
