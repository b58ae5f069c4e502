"""The lease of an image: a numbered file beside it that names who may write to it.

FILE.lease.N names the holder (JSON, null = nobody); the highest N counts. Taking, seizing and giving back all mean: be the one
who makes N + 1, by link(2), which fails if the name exists, on every file system and over NFS. So two hosts that try at once
never both win, and a seize names the version it read. A lease has no expiry: it survives a crash of its holder.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol

from nvkeep.host.files import UNFINISHED
from nvkeep.host.text import load

DENIED = 3  # exit code of the plumbing when another host holds


class Refused(Exception):
    """Another host holds the lease."""


class Reader(Protocol):
    """The part of a Host that reading a lease needs."""

    def read(self, path: str) -> str:
        """Read a small file."""

    def names(self, directory: str) -> list[str]:
        """List a directory."""


class Lease(NamedTuple):
    """Version 0: no lease was ever taken."""

    version: int
    holder: str | None


def read(host: Reader, file: str) -> Lease:
    """Read who holds. Raises OSError, and ValueError for a lease that makes no sense."""
    version = _highest(host, file)
    if not version:
        return Lease(0, None)
    try:
        record = load(host.read(str(_name(file, version))))
    except FileNotFoundError:
        if _highest(host, file) == version:
            raise
        return read(host, file)  # it was replaced between the two looks
    if not isinstance(record, dict) or not isinstance(record.get("holder", 0), str | None):
        raise ValueError(f"{_name(file, version)} does not name a holder")  # noqa: TRY004 - the file is wrong, not a type of ours
    return Lease(version, record["holder"])


def _highest(host: Reader, file: str) -> int:
    image = Path(file)
    names = host.names(str(image.parent))
    if image.name not in names:
        raise FileNotFoundError(f"no image {file} on this host")
    return max(_number(name, image.name) for name in names)


def _number(name: str, image: str) -> int:
    tail = name.removeprefix(f"{image}.lease.")
    return int(tail) if tail != name and tail.isdigit() else 0


def _name(file: str, version: int) -> Path:
    return Path(f"{file}.lease.{version}")


def acquire(reader: Reader, file: str, host: str) -> str:
    """Take a free lease, or one's own again. Raises Refused."""
    seen = read(reader, file)
    if seen.holder not in (None, host):
        raise Refused(f"held by {seen.holder} (version {seen.version})")
    return _take(reader, file, host, seen.version)  # also one's own: whoever read the old version may be about to seize it


def seize(reader: Reader, file: str, host: str, version: str) -> str:
    """Take the lease from its holder, if its version is still the one that was read. Raises Refused."""
    seen = read(reader, file)
    if seen.version != int(version):
        raise Refused(f"now held by {seen.holder} (version {seen.version}, not {version})")
    return _take(reader, file, host, seen.version)


def release(reader: Reader, file: str, host: str) -> str:
    """Give back one's own lease; another's is left alone."""
    seen = read(reader, file)
    return _take(reader, file, None, seen.version) if seen.holder == host else ""


def _take(reader: Reader, file: str, holder: str | None, version: int) -> str:
    image = Path(file)
    handle, temporary = tempfile.mkstemp(dir=image.parent, prefix=f".{image.name}.", suffix=UNFINISHED)
    try:
        with os.fdopen(handle, "w") as stream:
            json.dump({"holder": holder}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, _name(file, version + 1))
        _refuse_outdated(reader, file, version + 1)
    except FileExistsError:
        raise Refused(f"another host was faster (version {version + 1})") from None
    finally:
        Path(temporary).unlink(missing_ok=True)
    if version:
        _name(file, version).unlink(missing_ok=True)
    return ""


def _refuse_outdated(reader: Reader, file: str, version: int) -> None:
    """Step back if a higher version is there: old ones are removed, so one who looked long ago could make one of them again."""
    if _highest(reader, file) > version:
        _name(file, version).unlink(missing_ok=True)
        raise Refused(f"another host was faster (version {version + 1} or later)")
