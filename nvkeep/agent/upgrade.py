"""An upgrade of nvkeep: the agent goes on as the new code, with the same pid, while it is doing nothing.

/usr/lib/nvkeep/current is a link that an upgrade replaces in one moment. A process stays with the directory it was
started from, so it never loads half of one version and half of another.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nvkeep import log
from nvkeep.errors import CommandTimeout
from nvkeep.host import Host, command

CURRENT = Path("/usr/lib/nvkeep/current")
OWN = Path(__file__).resolve().parents[2]
PROGRAM = "/usr/bin/nvkeep"
TRY_AGAIN_S = 60.0  # until installed code that did not run is tried again


class Passes:
    """Counts the threads that look or act (they may have children), so that something can be done while none does."""

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.under_way = 0
        self.closed = False

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Look, and make a pass if that is called for."""
        with self.change:
            self.change.wait_for(lambda: not self.closed)
            self.under_way += 1
        try:
            yield
        finally:
            with self.change:
                self.under_way -= 1
                self.change.notify_all()

    @contextmanager
    def none(self, patience: float) -> Iterator[bool]:
        """Let no pass begin; return whether none is under way after at most `patience` seconds."""
        with self.change:
            self.closed = True
            try:
                yield self.change.wait_for(lambda: not self.under_way, patience)
            finally:
                self.closed = False
                self.change.notify_all()


class Upgrade:
    """Looks for newly installed code."""

    def __init__(self, host: Host, passes: Passes) -> None:
        self.host = host
        self.passes = passes
        self.tried = self.refused = ""
        self.refused_until = 0.0
        self.trial = threading.Thread()

    def seek(self) -> None:
        """Go on as the code that was installed meanwhile, at a moment without a pass: a pass never changes its code."""
        name = replaced()
        if not name or not self._runs(name):
            return
        with self.passes.none(0) as quiet, suppress(OSError):
            if quiet:
                log.note(f"nvkeep was upgraded; continuing as {name}")
                log.flush()
                become_it()

    def _runs(self, name: str) -> bool:
        """Return whether the installed code can be used; a thread tries it once, and again after a while if it cannot."""
        waits = name == self.refused and self.host.now() < self.refused_until
        if name != self.tried and not waits and not self.trial.is_alive():
            self.trial = threading.Thread(target=self._try, args=(name,), daemon=True)
            self.trial.start()
        return name == self.tried

    def _try(self, name: str) -> None:
        problem = wrong()
        if not problem:
            self.tried = name
            return
        if name != self.refused:
            log.note(f"nvkeep was upgraded to {name}, which does not run; the old code continues: {problem}", 40)
        self.refused, self.refused_until = name, self.host.now() + TRY_AGAIN_S


def replaced() -> str:
    """Name the installed code when it is not the code that runs; empty for the same, and where nothing is installed."""
    try:
        installed = CURRENT.resolve(strict=True)
    except OSError:
        return ""
    return installed.name if OWN.parent == installed.parent and installed != OWN else ""


def wrong() -> str:
    """Say why the installed code cannot be used; empty when it can."""
    try:
        done = command.run((PROGRAM, "--version"), 10.0)
    except CommandTimeout as error:
        return str(error)
    return done.err.strip() or f"it ended with {done.code}" if done.code else ""


def become_it() -> None:
    """Go on as the installed code, with the same pid and arguments. Raises OSError."""
    os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])  # noqa: S606 - no shell is the point
