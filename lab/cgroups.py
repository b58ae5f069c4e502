"""One cgroup for each server and one for the lab's own processes, on hybrid and on pure v2 machines."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lab.base import LANE
from lab.commands import environment, until

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path("/sys/fs/cgroup")
PREFIX = f"nvkeep-lab{LANE}-"
TOOLS = "tools"
LAUNCH = str(Path(__file__).with_name("launch.py"))


def hierarchies() -> tuple[Path, ...]:
    """Return the mount points a server needs a directory in; the last one is always the v2 hierarchy."""
    if (ROOT / "cgroup.controllers").exists():
        return (ROOT,)
    # Hybrid: systemd in the server tracks its units in the named v1 hierarchy and mirrors them in `unified`.
    return (ROOT / "systemd", ROOT / "unified")


def make(name: str) -> tuple[Path, ...]:
    """Create the cgroup directories of one name and return them."""
    directories = tuple(top / f"{PREFIX}{name}" for top in hierarchies())
    for directory in directories:
        directory.mkdir(exist_ok=True)
    return directories


def spawn(name: str, argv: Sequence[str], *, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a command inside the cgroup of that name, in a session of its own."""
    directories = (str(path) for path in make(name))
    return subprocess.Popen(
        (sys.executable, "-I", "-S", LAUNCH, *directories, "--", *argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
        cwd=Path(__file__).parent.parent,
    )


def freeze(name: str, *, frozen: bool, settle: bool = True) -> None:
    """Stop or continue every process of the cgroup, as one; settle waits until the last one has."""
    directory = hierarchies()[-1] / f"{PREFIX}{name}"
    (directory / "cgroup.freeze").write_text("1" if frozen else "0")
    wanted = f"frozen {int(frozen)}"
    if settle:
        until(lambda: wanted in (directory / "cgroup.events").read_text(), within=5, what=f"{name}: {wanted}")


def kill(name: str) -> None:
    """End every process of the cgroup and wait until none is left; nothing outside it is touched."""
    for top in hierarchies():
        directory = top / f"{PREFIX}{name}"
        if directory.is_dir():
            _kill_all(directory)
            until(lambda directory=directory: not pids(directory), within=10, what=f"{name}: no process left")  # type: ignore[misc]


def _kill_all(directory: Path) -> None:
    killer = directory / "cgroup.kill"
    if killer.exists():
        killer.write_text("1")
        return
    for pid in pids(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def pids(directory: Path) -> list[int]:
    """Return the processes of a cgroup and of all cgroups below it."""
    found: list[int] = []
    for procs in directory.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            found += [int(line) for line in procs.read_text().split()]
    return found


def names() -> set[str]:
    """Return the names of the cgroups the lab has made on this machine."""
    return {path.name.removeprefix(PREFIX) for top in hierarchies() for path in top.glob(f"{PREFIX}*")}


def remove(name: str) -> None:
    """Remove the empty cgroup directories of one name, those below first."""
    for top in hierarchies():
        directory = top / f"{PREFIX}{name}"
        for path in sorted(directory.glob("**/"), key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
