"""What pip has installed: code and libraries, and no unit. The rest is put on the host as `make install` does it."""

import os
import sys
from pathlib import Path

from nvkeep.errors import CommandError, NotHere
from nvkeep.host import Host

BUILD = Path(__file__).resolve().parents[2] / "nvkeep_packaging/build.py"
KIND = "/usr/lib/nvkeep/dist/kind"
PROGRAM = "/usr/bin/nvkeep"
FILES = "nvkeep setup --files"
LIMIT_S = 120.0  # to copy and compile


def is_it() -> bool:
    """Return whether this is what pip has installed, and not what runs from /usr/lib/nvkeep."""
    return BUILD.is_file()


def put(host: Host) -> None:
    """Put program, libraries and units where a package has them. Raises NotHere where a package has, CommandError."""
    kind = host.read(KIND).strip() if host.exists(KIND) else ""
    if kind in ("deb", "rpm"):
        raise NotHere(f"nvkeep is installed by its {kind} as well; nothing was changed; keep one of them: pip uninstall nvkeep")
    argv = (sys.executable, str(BUILD), "install")
    done = host.run(argv, LIMIT_S)
    if done.code:
        raise CommandError(argv, done.code, done.err)


def become_it() -> None:
    """Go on as the program that was put there, with the same words."""
    os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])  # noqa: S606 - no shell
