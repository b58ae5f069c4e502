"""Files that are whole or not there, and locks between processes."""

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nvkeep.errors import Busy
from nvkeep.host.patience import GivenUp, within

DURABLE_LIMIT_S = 10.0  # a busy disk takes a second or two to write a record out
LOCK_POLL_S = 0.02  # between two tries for a lock
UNFINISHED = ".nvkeep-new"  # how the name of a file ends that is not in its place yet; whoever is killed leaves it
BYTES = "surrogateescape"  # how text carries bytes that are not UTF-8: other people's files are written back as they were


def others_can_write(path: str) -> bool:
    """Return whether anybody but root and whoever runs this can write a file or directory; a missing one nobody can."""
    try:
        return open_to_others(Path(path).stat())
    except OSError:
        return False


def open_to_others(seen: os.stat_result) -> bool:
    """Return whether anybody but root and whoever runs this can write what was looked at."""
    return bool(seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) or seen.st_uid not in (0, os.geteuid())


def write(path: str, text: str, *, durable: bool = False) -> None:
    """Replace a file in one moment; mode and owner stay. durable: also after a power cut. Raises OSError, leaves the old."""
    if not durable:
        _write(path, text, lambda: False, durable=False)
        return
    try:  # in a thread that can be left behind: no pass waits for a disk that does not answer
        within(DURABLE_LIMIT_S, lambda given_up: _write(path, text, given_up, durable=True))
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"its disk does not answer within {DURABLE_LIMIT_S:g} s", path) from None


def _write(path: str, text: str, given_up: GivenUp, *, durable: bool) -> None:
    target = Path(path)
    _make(target.parent)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=UNFINISHED)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors=BYTES) as stream:
            stream.write(text)
            _as_before(stream.fileno(), target)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        _refuse_late(given_up, path)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    if durable:
        _sync_directory(target.parent)


def _refuse_late(given_up: GivenUp, path: str) -> None:
    """Leave the old file where whoever asked for the new one has gone on without."""
    if given_up():
        raise OSError(errno.ETIMEDOUT, "too late", path)


def remove(path: str, *, durable: bool = False) -> None:
    """Remove a file that may be missing; durable: also after a power cut. Raises OSError."""
    target = Path(path)
    target.unlink(missing_ok=True)
    if durable and target.parent.is_dir():
        _sync_directory(target.parent)


def unwritable(directory: str) -> str:
    """Say why no file can be written in a directory (or where it will be made); empty when one can. Writes nothing."""
    try:
        seen = os.statvfs(directory)
    except (FileNotFoundError, NotADirectoryError):
        return unwritable(os.path.dirname(directory))  # noqa: PTH120 - in every pass: a path would cost more than the look
    except OSError as error:
        return str(error.strerror)
    if seen.f_flag & os.ST_RDONLY:
        return "read-only"
    if (seen.f_blocks and not seen.f_bfree) or (seen.f_files and not seen.f_ffree):
        return "full"
    return "" if os.geteuid() or os.access(directory, os.W_OK) else "not writable"  # only root is meant to write there


def _as_before(handle: int, target: Path) -> None:
    """Give a new file the owner and the mode of the one it replaces."""
    try:
        seen = target.stat()
    except FileNotFoundError:
        os.fchmod(handle, 0o644)
        return
    with contextlib.suppress(PermissionError):  # only root can; for anybody else it becomes his own
        os.fchown(handle, seen.st_uid, seen.st_gid)
    os.fchmod(handle, stat.S_IMODE(seen.st_mode))  # after the owner: that takes bits away


def _make(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock(path: str, timeout: float) -> Iterator[None]:
    """Hold flock(2) on a file that stays; the file names the holder's pid, unless the disk is full. Raises Busy."""
    handle = _open_lock(path)
    try:
        _wait_for(handle, path, timeout)
        with contextlib.suppress(OSError):
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _open_lock(path: str) -> int:
    """Open the file to lock. Where it cannot be written any more it can still be locked, and passes go on."""
    try:
        _make(Path(path).parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOSPC):
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _wait_for(handle: int, path: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise
        else:
            return
        if time.monotonic() >= deadline:
            pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise Busy(f"another pass holds {path} (pid {pid or 'unknown'}) for more than {timeout:g} s")
        time.sleep(LOCK_POLL_S)
