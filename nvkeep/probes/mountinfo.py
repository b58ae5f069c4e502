"""The mount table of this host: /proc/self/mountinfo, as in proc(5). Never touches a mounted file system."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from nvkeep.errors import ProbeError
from nvkeep.host import Host, lines

TABLE = "/proc/self/mountinfo"
_OCTAL = r"\\([0-7]{3})"


class Entry(NamedTuple):
    """One mount. `device` is "major:minor"; `root` is "/" unless a part of the file system is mounted."""

    device: str
    root: str
    path: str
    options: frozenset[str]
    fstype: str
    source: str
    super_options: frozenset[str]


class Place(NamedTuple):
    """An entry with its number, that of the mount it is on, the group it shares umounts with, and the one it follows."""

    id: str
    parent: str
    group: str
    follows: str
    entry: Entry


def read(host: Host) -> tuple[Entry, ...]:
    """Read the mount table. Raises ProbeError."""
    return tuple(place.entry for place in table(host))


def table(host: Host, *ours: str) -> tuple[Place, ...]:
    """Read the mount table. Raises ProbeError, also where a line is not understood that has one of `ours` in it."""
    try:
        return places(host.read(TABLE), *ours)
    except OSError as error:
        raise ProbeError(f"{TABLE}: {error.strerror}") from error


def at(every: Iterable[Place], path: str) -> Place | None:
    """Give what is mounted last at a path."""
    return next((place for place in reversed([*every]) if place.entry.path == path), None)


def cover(every: Iterable[Place], place: Place) -> Entry | None:
    """Give what is mounted over a directory above a mount, so that its path leads elsewhere.

    Walks up from the mount to the root: on each mount on the way, nothing else may be mounted nearer to the root than the next.
    """
    by_id = {other.id: other for other in every}
    seen = {place.id}
    while (below := by_id.get(place.parent)) and below.id not in seen:
        for other in by_id.values():
            if (
                other.parent == below.id
                and other.id != place.id
                and other.entry.path != place.entry.path
                and within(place.entry.path, other.entry.path)
            ):
                return other.entry
        seen.add(below.id)
        place = below
    return None


def below(host: Host, entry: Entry) -> str | None:
    """Give the number of the device below: btrfs, and what else may lie on several devices, shows one of its own making."""
    return host.device_number(entry.source) if entry.device.startswith("0:") else entry.device


def shown(every: Iterable[Place], entry: Entry, options: Iterable[str], inside: tuple[str, str] | None) -> str:
    """Give the directory of the file system that is to be seen; `inside`: the outer mount of a bind mount, and what of it."""
    if not inside:
        return subvolume(entry, options)
    outer = at(every, inside[0])
    return f"{outer.entry.root.rstrip('/') if outer else ''}/{inside[1]}"


def subvolume(entry: Entry, options: Iterable[str]) -> str:
    """Give the subvolume of btrfs: as asked for, else the one that the kernel says is the file system's default."""
    chosen = [option.partition("=")[2] for option in (*entry.super_options, *options) if option.startswith("subvol=")]
    return f"/{chosen[-1].lstrip('/')}" if chosen else "/"


def parse(text: str, *ours: str) -> tuple[Entry, ...]:
    """Parse mountinfo to its entries alone. Raises ProbeError."""
    return tuple(place.entry for place in places(text, *ours))


def places(text: str, *ours: str) -> tuple[Place, ...]:
    """Parse mountinfo; a line of others' that is not understood costs that line. Raises ProbeError, also for half a table."""
    if not text.endswith("\n"):
        raise ProbeError(f"{TABLE} is cut short: it ends with {text[-60:]!r}")
    read_lines = [(line, _place(line)) for line in lines(text)]
    if strange := next(
        (line for line, place in read_lines if place is None and any(part in plain(line) for part in ours)), None
    ):
        raise ProbeError(f"{TABLE}: cannot parse the line: {strange!r}")
    return tuple(place for _, place in read_lines if place)


@lru_cache(maxsize=4096)  # every service looks at the whole table, which seldom changes
def _place(line: str) -> Place | None:
    before, dash, after = line.partition(" - ")
    front, back = before.split(" "), after.split(" ")
    if not dash or len(front) < 6 or len(back) < 3:  # noqa: PLR2004 - the fields of proc(5)
        return None
    tags = dict(field.split(":", 1) for field in front[6:] if ":" in field)
    return Place(front[0], front[1], tags.get("shared", ""), tags.get("master", ""), _entry(front, back))


def _entry(front: list[str], back: list[str]) -> Entry:
    return Entry(
        device=front[2],
        root=plain(front[3]),
        path=plain(front[4]),
        options=frozenset(front[5].split(",")),
        fstype=back[0],
        source=plain(back[1]),
        super_options=frozenset(back[2].split(",")),
    )


def plain(field: str) -> str:
    """Undo the octal escapes with which the kernel writes names into its tables."""
    return re.sub(_OCTAL, lambda match: chr(int(match[1], 8)), field)


def within(path: str, top: str) -> bool:
    """Return whether a mount point is this one or below it."""
    return path == top or path.startswith(f"{top}/")
