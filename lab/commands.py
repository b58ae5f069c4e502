"""Run host commands as argv tuples with a deadline, and wait for facts instead of sleeping."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from lab import steady
from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}


class LabError(Exception):
    """The lab itself could not do what was asked; never a statement about nvkeep."""


def run(
    argv: Sequence[str],
    *,
    timeout: float = 20,
    check: bool = True,
    feed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; raise LabError when it fails (check) or is late."""
    done = _run(tuple(argv), timeout, feed)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done


def _run(argv: tuple[str, ...], timeout: float, feed: str | None) -> subprocess.CompletedProcess[str]:
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment(),
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(feed, timeout)
        except BaseException as error:
            # The whole session: nsenter forks to enter a pid namespace, and its child would live on in the server.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise LabError(f"{' '.join(argv)}: no end after {timeout:g} s") from error
            raise
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def environment() -> dict[str, str]:
    """Return the environment of every command: fixed words, the proxy of this machine if it has one, where the cache is."""
    kept = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy") or key.startswith("NVKEEP_LAB_")}
    return ENVIRONMENT | kept


LOOKS_SHARE = 4  # of the time of a wait at most one part in so many goes into looking
LONGEST_PAUSE_S = 1.0  # between two looks, but for one that itself takes longer


def until(condition: Callable[[], bool], *, within: float, what: str, every: float = 0.05) -> None:
    """Poll until the condition holds; raise LabError naming what did not happen within so many steady seconds.

    A condition that takes long to see (a command on a server) is left alone for longer: a wait must not be what keeps the
    machine busy.
    """
    begun = asked = boottime()
    while not condition():
        if steady.seconds(begun) > within:
            raise LabError(f"not within {within:g} s: {what}")
        took = boottime() - asked
        time.sleep(max(every, took, min(LOOKS_SHARE * took, LONGEST_PAUSE_S)))
        asked = boottime()
