"""The first rung of `nvkeep umount`, in the process of whoever asks: one umount(8), which mostly is all.

Only what did not let go is a matter for the whole ladder, and that runs as a command of its own: it reads what processes have
mapped, which may wait for one that hangs in the kernel, and a command can be given up.
"""

import time
from collections.abc import Sequence

from nvkeep.host import command
from nvkeep.host.base import Completed

LAST_WORDS = 2.0  # seconds the ladder is left to tell who holds, before its command would be killed


def run(argv: Sequence[str], timeout: float) -> Completed:
    """Run `nvkeep umount PATH ...`. Raises CommandTimeout."""
    begun = time.monotonic()
    if not command.run(("umount", argv[2]), timeout).code:
        return Completed(tuple(argv), 0, "", "")
    left = timeout - (time.monotonic() - begun)
    done = command.run((*argv, "--within", f"{max(1.0, left - LAST_WORDS):.1f}"), left)
    return done._replace(argv=tuple(argv))
