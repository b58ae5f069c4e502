"""A child process that can be given up at any moment: while it is loaded, while it prints, and while it hangs in the kernel."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
import warnings
from collections.abc import Sequence
from typing import IO

from nvkeep.errors import CommandTimeout
from nvkeep.host.patience import within

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root", "SYSTEMD_COLORS": "0"}
KILL_LIMIT_S = 0.5  # a killed command has to go; one that hangs in the kernel is left behind
OUTPUT_BYTES = 8 * 1024 * 1024  # of each stream; the most that any command prints here is some hundred kilobytes
CHUNK_BYTES = 65536
FIRST_BYTES = 4096  # what execve(2) reads of a program before it is a process of its own


def started(argv: Sequence[str], timeout: float) -> subprocess.Popen[bytes]:
    """Start a command: a program on a disk that does not answer is never loaded. Raises OSError, CommandTimeout."""
    try:
        return within(timeout, lambda _: _popen(argv), abandon)
    except TimeoutError:
        raise CommandTimeout(argv, timeout, f"not started after {timeout:g} s") from None


def _touch(program: str) -> None:
    """Read what execve(2) will, and of what runs a script: the interpreter's lock is held while a program is loaded (vfork).

    A disk that does not answer keeps waiting this thread then, and not all of them; fork(2) would cost three times as much.
    """
    places = [program] if "/" in program else [f"{directory}/{program}" for directory in ENVIRONMENT["PATH"].split(":")]
    for place in places:
        with contextlib.suppress(OSError), open(place, "rb", buffering=0) as stream:  # noqa: PTH123 - its first bytes
            head = stream.read(FIRST_BYTES)
            if head.startswith(b"#!"):
                _touch(head[2:].split(b"\n")[0].split()[0].decode(errors="replace"))
            return


def _popen(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    _touch(argv[0])
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,
    )


def collected(child: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Read both streams to their end. Raises TimeoutExpired, and OverflowError where there is more than a command may print."""
    streams: tuple[IO[bytes], IO[bytes]] = (child.stdout, child.stderr)  # type: ignore[assignment]  # both are pipes
    got: dict[int, bytearray] = {stream.fileno(): bytearray() for stream in streams}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(child.args, 0)
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, CHUNK_BYTES)
                got[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
                if len(got[key.fd]) > OUTPUT_BYTES:
                    raise OverflowError(f"printed more than {OUTPUT_BYTES} bytes; killed")
    out, err = (bytes(got[stream.fileno()]) for stream in streams)
    for stream in streams:
        stream.close()
    return out, err


def abandon(child: subprocess.Popen[bytes]) -> None:
    """Kill it, with all of its session; one that hangs in the kernel is left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()
    try:
        child.wait(KILL_LIMIT_S)
    except subprocess.TimeoutExpired:
        with warnings.catch_warnings():  # it hangs in the kernel: nobody can wait for it, and nobody should
            warnings.simplefilter("ignore", ResourceWarning)
            del child
