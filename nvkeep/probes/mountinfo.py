"""The mount table of this host: /proc/self/mountinfo, as in proc(5). Never touches a mounted file system."""

import re
from typing import NamedTuple

from nvkeep.errors import ProbeError
from nvkeep.host import Host

TABLE = "/proc/self/mountinfo"
_OCTAL = re.compile(r"\\([0-7]{3})")


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
    """An entry with its number, the group of mounts it shares umounts with, and the one it follows (empty: none)."""

    id: str
    group: str
    follows: str
    entry: Entry


def read(host: Host) -> tuple[Entry, ...]:
    """Read the mount table. Raises ProbeError."""
    try:
        return parse(host.read(TABLE))
    except OSError as error:
        raise ProbeError(f"{TABLE}: {error.strerror}") from error


def parse(text: str) -> tuple[Entry, ...]:
    """Parse mountinfo. Raises ProbeError for a line that has another shape."""
    return tuple(_entry(line) for line in text.splitlines())


def places(text: str) -> tuple[Place, ...]:
    """Parse mountinfo with what tells mounts apart and binds them together. Raises ProbeError."""
    return tuple(_place(line, entry) for line, entry in zip(text.splitlines(), parse(text), strict=True))


def _place(line: str, entry: Entry) -> Place:
    fields = line.partition(" - ")[0].split(" ")
    tags = dict(field.split(":", 1) for field in fields[6:] if ":" in field)
    return Place(fields[0], tags.get("shared", ""), tags.get("master", ""), entry)


def _entry(line: str) -> Entry:
    before, dash, after = line.partition(" - ")
    front, back = before.split(" "), after.split(" ")
    if not dash or len(front) < 6 or len(back) < 3:  # noqa: PLR2004 - the fields of proc(5)
        raise ProbeError(f"{TABLE}: cannot parse the line: {line!r}")
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
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)


def within(path: str, top: str) -> bool:
    """Return whether a mount point is this one or below it."""
    return path == top or path.startswith(f"{top}/")
