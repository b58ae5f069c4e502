"""Running a command so that nothing can block its caller: a deadline, no input, a fixed locale, a fixed PATH."""

import contextlib
import os
import signal
import subprocess
import warnings
from collections.abc import Sequence

from nvkeep.errors import CommandTimeout
from nvkeep.host.base import Completed

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root", "SYSTEMD_COLORS": "0"}
KILL_LIMIT_S = 0.5  # a killed command has to go; one that hangs in the kernel is left behind


def run(argv: Sequence[str], timeout: float) -> Completed:
    """Run a command to its end. Raises CommandTimeout; a missing program is exit code 127, as in a shell."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Completed(tuple(argv), 127, "", f"{argv[0]}: {error.strerror}")
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _abandon(process)
        raise CommandTimeout(argv, timeout) from None
    return Completed(tuple(argv), process.returncode, out, err)


def _abandon(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.communicate(timeout=KILL_LIMIT_S)
    except subprocess.TimeoutExpired:
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        with warnings.catch_warnings():  # it hangs in the kernel: nobody can wait for it, and nobody should
            warnings.simplefilter("ignore", ResourceWarning)
            del process
