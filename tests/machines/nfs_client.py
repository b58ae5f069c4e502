"""What runs on a client of an NFS server: writes files, appends to one, holds a lock, tries to get one; and keeps a diary.

It runs inside a machine, by path: `nfs_client.py WHAT PLACE DIARY`, until SIGTERM. An entry of the diary is a line of JSON,
with the seconds since the machine's boot. An error ends it, and is the last entry.
"""

import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

SIZE = 65536
BIG = Path("/root/big")
CHUNK = 1 << 20
PAUSE_S = 1.0
Entries = Iterator[dict[str, object]]


def now() -> float:
    """Give the seconds since boot."""
    return round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)


def store(path: Path, data: bytes, flags: int) -> dict[str, object]:
    """Write, and return when the server has acknowledged that it is on its disk."""
    begun = now()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    return {"name": path.name, "sum": hashlib.sha256(data).hexdigest(), "begun": begun}


def create(place: Path) -> Entries:
    """Make one new file after the other."""
    number = 0
    while True:
        number += 1
        yield store(place / f"file-{number:05}", os.urandom(SIZE), os.O_EXCL)


def append(place: Path) -> Entries:
    """Append to one file, which stays open."""
    fd = os.open(place / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    number = 0
    while True:
        number, begun = number + 1, now()
        os.write(fd, f"{number}\n".encode())
        os.fsync(fd)
        yield {"number": number, "begun": begun}


def copy(place: Path) -> Entries:
    """Copy a big file slowly, and be done when the server has acknowledged all of it."""
    with BIG.open("rb") as source, place.open("wb") as target:
        while chunk := source.read(CHUNK):
            begun = now()
            target.write(chunk)
            yield {"bytes": len(chunk), "begun": begun}
        target.flush()
        begun = now()
        os.fsync(target.fileno())
    yield {"bytes": 0, "begun": begun}


def hold(place: Path) -> Entries:
    """Hold a lock, and write to the file: the kernel refuses that once it has lost the lock."""
    fd = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    number = 0
    while True:
        number, begun = number + 1, now()
        os.pwrite(fd, f"{number:09}\n".encode(), 0)
        os.fsync(fd)
        yield {"number": number, "begun": begun}


def contend(place: Path) -> Entries:
    """Try to get a lock, without waiting for it, until it is there."""
    fd = os.open(place, os.O_RDWR)
    while True:
        begun = now()
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            yield {"got": False, "begun": begun}
        else:
            yield {"got": True, "begun": begun}
            return


def stop(_signal: int, _frame: object) -> None:
    """End like a program that ends by itself."""
    sys.exit(0)


def keep(entries: Entries, diary: Path) -> None:
    """Write down each entry when it has happened."""
    with diary.open("a", buffering=1) as file:
        try:
            for entry in entries:
                file.write(json.dumps({**entry, "ended": now()}) + "\n")
                time.sleep(PAUSE_S)
        except OSError as error:
            file.write(json.dumps({"error": os.strerror(error.errno or 0), "ended": now()}) + "\n")
            raise


DO: dict[str, Callable[[Path], Entries]] = {"create": create, "append": append, "copy": copy, "hold": hold, "contend": contend}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    what, place, diary = sys.argv[1:]
    with suppress(OSError):
        keep(DO[what](Path(place)), Path(diary))
