"""The code that runs, and the code that is installed: /usr/lib/nvkeep/current is a link that an upgrade replaces in one moment.

A process stays with the directory it was started from, so it never loads half of one version and half of another.
"""

import os
import sys
from pathlib import Path

from nvkeep.errors import CommandTimeout
from nvkeep.host import command

CURRENT = Path("/usr/lib/nvkeep/current")
OWN = Path(__file__).resolve().parents[2]
PROGRAM = "/usr/bin/nvkeep"


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
