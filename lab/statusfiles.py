"""What stands for /proc/nvmeibc in a server: written by the storage, replaced atomically, gone with a boot."""

from __future__ import annotations

import json
import shutil
import uuid
from typing import TYPE_CHECKING

from lab import places

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.attachment import Attachment

BLOCK = 4096
STYLES = ("hex", "int", "old", "jdr", "uneven")
MODULE = ("Initializing", "Ready", "Prepearing for removal", "Zombie, ready to removal", "Exiting")  # sic
# (attach_status, its number, status, low byte of dbg, io_enabled)
State = tuple[str, int, str, int, int]
PREEMPTED: State = ("Preempted", 0x10, "Reservation Preempted, Only recovery", 0x92, 0)
KEPT_WHILE_DETACHING = ("name", "uuid", "type", "type_num", "size[blks]", "block[b]", "flags")
NEWER = ("attach_status", "RVMS", "io_enabled")


def tree(host: str) -> Path:
    """Return the outer path of /proc/nvmeibc in one server."""
    return places.nvmesh(host) / "proc/nvmeibc"


def state_of(attachment: Attachment) -> State:
    """Return what the host can see of its attachment: one that is cut off does not see that it was preempted."""
    if attachment.knows_preempted:
        return PREEMPTED
    health = attachment.health
    name, number = ("Attached", 0x2) if attachment.enabled else ("Attaching", 0x1)
    return (name, number, attachment.sentence, health.low, health.io_enabled)


def facts(attachment: Attachment, style: str) -> dict[str, object]:
    """Return the keys of status.json; `old` has fewer, `int` and `jdr` give dbg as a number, jdr booleans as such."""
    name, number, status, low, io_enabled = state_of(attachment)
    volume, dbg = attachment.volume, number << 8 | low
    whole: dict[str, object] = {
        "name": volume.name,
        "uuid": volume_id(volume.name),
        "type": "visible",
        "type_num": "0x0",
        "size[blks]": volume.size // BLOCK,
        "block[b]": BLOCK,
        "reservation": attachment.mode,
        "reservation_version": attachment.version,
        "preempt": "No",
        "status": status,
        "dbg": dbg if style in ("int", "jdr") else f"{dbg:#x}",
        "attach_status": name,
        "RVMS": volume.highest if attachment.knows_preempted else attachment.version,
        "io_enabled": bool(io_enabled) if style == "jdr" else io_enabled,
    }
    if attachment.detaching:
        return {key: value for key, value in whole.items() if key in KEPT_WHILE_DETACHING}
    return {key: value for key, value in whole.items() if style != "old" or key not in NEWER}


def volume_id(name: str) -> str:
    """Return the uuid of a volume."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def write_out(found: dict[str, object], style: str) -> str:
    """Write the keys as a generation of clients does."""
    if style == "jdr":
        return " " + json.dumps(found, indent=4)
    if style == "uneven":
        return json.dumps(found, indent=1).replace(',\n "type_num"', ', "type_num"').replace('": ', '" :  ')
    return json.dumps(found, indent=4)


def _without(*keys: str) -> Callable[[dict[str, object]], str]:
    return lambda found: json.dumps({key: value for key, value in found.items() if key not in keys})


# How a file can be wrong, or only half there while the client writes it.
DEFECTS: dict[str, Callable[[dict[str, object]], str | None]] = {
    "absent": lambda _: None,
    "empty": lambda _: "",
    "truncated": lambda found: json.dumps(found)[:-40],
    "garbage": lambda _: "Detaching...\n",
    "list": lambda found: json.dumps([found]),
    "null": lambda _: "null",
    "detaching": lambda found: json.dumps({key: value for key, value in found.items() if key in KEPT_WHILE_DETACHING}),
    "no-reservation": _without("reservation"),
    "no-dbg": _without("dbg"),
    "no-status": _without("status"),
    "no-topology": _without("RVMS", "dbg", "io_enabled", "status"),
    "bad-dbg": lambda found: json.dumps(found | {"dbg": "zero"}),
}


def text_of(attachment: Attachment) -> str:
    """Return the file `status`, the one for people."""
    if attachment.detaching:
        return f"Name={attachment.volume.name}\nDetaching...\n"
    name, number, status, low, io_enabled = state_of(attachment)
    held = f"{attachment.mode}, version={attachment.version:#x}, preempt=No, rby={attachment.host.name}"
    enabled = "enabled" if io_enabled else "disabled"
    return (
        f"Name={attachment.volume.name}, size={attachment.volume.size}, type=visible (0x0)\n"
        f"Reservation Mode: {{{held}}}\n"
        f"Device status: {name}, {status} (debug:{number << 8 | low:#x}, {io_enabled})\n"
        f"IO is currently {enabled}.\n"
    )


def publish(attachment: Attachment, style: str, override: str | None = None, defect: str | None = None) -> None:
    """Write the files of one attachment; override replaces status.json as it is, a defect spoils it."""
    if attachment.host.state is None:
        return
    directory = tree(attachment.host.name) / "volumes" / attachment.volume.name
    directory.mkdir(parents=True, exist_ok=True)
    found = facts(attachment, style)
    text = DEFECTS[defect](found) if defect else write_out(found, style)
    _replace(directory / "status.json", text if override is None else override)
    _replace(directory / "status", text_of(attachment))


def withdraw(host: str, volume: str) -> None:
    """Remove the files of one attachment."""
    shutil.rmtree(tree(host) / "volumes" / volume, ignore_errors=True)


def entry(host: str, name: str, kind: str) -> None:
    """Write an entry that is no attachment of an administrator: `hidden`, `recovery`, or `shadow` (of encryption)."""
    found: dict[str, object] = {"name": name, "uuid": volume_id(name), "type": "visible", "type_num": "0x0"}
    match kind:
        case "hidden":
            found |= {"type": "hidden", "type_num": "0x2", "reservation": "SHARED_READ_WRITE"}
        case "recovery":
            found |= {"type": "hidden", "type_num": "0x2", "reservation": "Recovery Only"}
        case "shadow":
            found |= {"reservation": "EXCLUSIVE_READ_WRITE"}
        case _:
            raise ValueError(kind)
    found |= {"reservation_version": 1, "RVMS": 1, "attach_status": "Attached", "status": "Live, with IO", "dbg": "0x200"}
    directory = tree(host) / "volumes" / name
    directory.mkdir(parents=True, exist_ok=True)
    _replace(directory / "status.json", json.dumps(found | {"io_enabled": 1}, indent=4))


def module(host: str, state: int) -> None:
    """Write the state of the client module of one host that has no volumes: it is off, starting or stopping."""
    shutil.rmtree(tree(host) / "volumes", ignore_errors=True)
    module_state(host, state)


def module_state(host: str, state: int | None) -> None:
    """Write the state of the client module; None takes the whole tree away, as without the module."""
    top = tree(host)
    if state is None:
        shutil.rmtree(top, ignore_errors=True)
        return
    (top / "volumes").mkdir(parents=True, exist_ok=True)
    _replace(top / "status", f"module state={state} {MODULE[state]}\nCluster: uuid={volume_id('cluster')}\n")


def _replace(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)
