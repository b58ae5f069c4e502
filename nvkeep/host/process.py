"""A child process that can be given up at any moment: while it is loaded, while it prints, and while it hangs in the kernel."""

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nvkeep.errors import CommandTimeout
from nvkeep.host.libc import spawn
from nvkeep.host.patience import within

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root", "SYSTEMD_COLORS": "0"}
KILL_LIMIT_S = 0.5  # a killed command has to go; one that hangs in the kernel is left behind
OUTPUT_BYTES = 8 * 1024 * 1024  # of each stream; the most that any command prints here is some hundred kilobytes
CHUNK_BYTES = 65536
FIRST_LOOK_S, SLOWEST_LOOK_S = 0.0005, 0.05  # whether it has ended, once it has closed its streams

left_behind: "list[Child]" = []


@dataclass
class Child:
    """A process that was started, and the ends of the two pipes that it prints to."""

    pid: int
    out: int
    err: int

    def wait(self, deadline: float) -> int:
        """Return its exit code once it has ended; of a signal, the negative number. Raises TimeoutError."""
        pause = FIRST_LOOK_S
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            time.sleep(min(left, pause))
            pause = min(2 * pause, SLOWEST_LOOK_S)
        return os.waitstatus_to_exitcode(ended[1])


def started(argv: Sequence[str], timeout: float) -> Child:
    """Start a command: a program on a disk that does not answer is never loaded. Raises OSError, CommandTimeout."""
    _reap()
    try:
        return within(timeout, lambda _: _child(argv), abandon)
    except TimeoutError:
        raise CommandTimeout(argv, timeout, f"not started after {timeout:g} s") from None


def _reap() -> None:
    """Let the kernel forget those that were left behind and have ended since."""
    for _ in range(len(left_behind)):
        with contextlib.suppress(IndexError):  # another thread looks after it
            _await(left_behind.pop())


def _child(argv: Sequence[str]) -> Child:
    pipes: list[int] = []
    try:
        pipes += os.pipe()
        pipes += os.pipe()
        child = Child(spawn(argv, ENVIRONMENT, pipes[1], pipes[3]), pipes[0], pipes[2])
        pipes = [pipes[1], pipes[3]]
        return child
    finally:
        for pipe in pipes:
            os.close(pipe)


def collected(child: Child, deadline: float) -> tuple[bytes, bytes]:
    """Read both streams to their end. Raises TimeoutError, and OverflowError where there is more than a command may print."""
    got = {child.out: bytearray(), child.err: bytearray()}
    waiting, poll = set(got), select.poll()
    for stream in waiting:
        poll.register(stream, select.POLLIN)
    while waiting:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        for stream, _ in poll.poll(1000 * left):
            chunk = os.read(stream, CHUNK_BYTES)
            got[stream] += chunk
            if not chunk:
                poll.unregister(stream)
                waiting.remove(stream)
            if len(got[stream]) > OUTPUT_BYTES:
                raise OverflowError(f"printed more than {OUTPUT_BYTES} bytes; killed")
    return bytes(got[child.out]), bytes(got[child.err])


def closed(child: Child) -> None:
    """Let go of both streams."""
    os.close(child.out)
    os.close(child.err)


def abandon(child: Child) -> None:
    """Kill it, with all of its session; one that hangs in the kernel is left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    closed(child)
    _await(child, KILL_LIMIT_S)


def _await(child: Child, seconds: float = 0.0) -> None:
    try:
        child.wait(time.monotonic() + seconds)
    except TimeoutError:
        left_behind.insert(0, child)


def pidfd(pid: int) -> int | None:
    """Open a process, so that its number can mean no other one; None where that is not possible. Raises OSError.

    It needs Linux 5.3, and a Python that was built with its headers: EL 8 (4.18) may have neither. The kernel never gives EPERM
    for it: that is a filter of systemd, which may be older than the call.
    """
    opened = getattr(os, "pidfd_open", None)
    try:
        return int(opened(pid)) if opened else None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return None
