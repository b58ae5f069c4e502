"""The volumes as a FUSE file system: one file for each attachment, EIO for everyone who may not."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

import mfusepy

from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.attachment import Attachment


def _no_event(_kind: str, **_facts: object) -> None:
    """Log nothing."""


class Views(mfusepy.Operations):  # type: ignore[misc] # mfusepy ships no annotations
    """The file system the loop devices stand on."""

    use_ns = True

    def __init__(self, log: Callable[..., None] = _no_event) -> None:
        self.attachments: dict[str, Attachment] = {}
        self._log = log

    def _find(self, path: str) -> Attachment:
        try:
            return self.attachments[path.lstrip("/")]
        except KeyError:
            raise OSError(errno.ENOENT, path) from None

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """Describe the top directory or one view."""
        del fh
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        found = self._find(path)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": found.volume.size}

    def readdir(self, path: str, fh: int) -> Iterator[str]:
        """List the views."""
        del path, fh
        yield from (".", "..", *tuple(self.attachments))

    def open(self, path: str, flags: int) -> int:
        """Let anything be opened: what counts is asked at every read and write."""
        del flags
        self._find(path)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Read from the backing image, if this host still may."""
        del fh
        found = self._find(path)
        with found.volume.gate.shared(lambda: found.decided, found.patience) as admitted:
            self._judge(found, admitted=admitted)
            return os.pread(found.volume.descriptor, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write to the backing image, if this host still may."""
        del fh
        found = self._find(path)
        with found.volume.gate.shared(lambda: found.decided, found.patience) as admitted:
            self._judge(found, admitted=admitted, write=True)
            found.writes += 1
            found.last_write = boottime()
            return os.pwrite(found.volume.descriptor, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        """Answer once what was written is where it outlives every server, if this host still may: in the image.

        Not on the disk of the machine under the lab, which keeps its power: there the writes of a neighbour look like a service
        that is away (seen: 0.7 s, of three services on three servers at once).
        """
        del datasync, fh
        found = self._find(path)
        with found.volume.gate.shared(lambda: found.decided, found.patience) as admitted:
            self._judge(found, admitted=admitted)
        return 0

    def _judge(self, found: Attachment, *, admitted: bool, write: bool = False) -> None:
        if admitted and (found.writes_pass if write else found.alive):
            return
        if write and not found.refused:
            found.refused = True
            self._log("refused", host=found.host.name, volume=found.volume.name, version=found.version)
        raise OSError(errno.EIO, "no reservation")


def mount(views: Views, point: str) -> None:
    """Serve the views at a mount point until it is unmounted; blocks."""
    # A stalled host has many requests waiting; without room for them the other hosts would wait too.
    mfusepy.FUSE(views, point, foreground=True, direct_io=True, max_background=1024, fsname="nvkeep-lab")
