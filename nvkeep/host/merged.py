"""Commands that queue behind a lock of the whole host, as NVMesh's do: those that wait are run as one, for all that they name.

Twenty services that are taken at once would wait for twenty commands in a row. The answers are per volume (docs/backends.md),
and each caller finds its own.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from nvkeep.errors import CommandTimeout
from nvkeep.host import command
from nvkeep.host.base import Completed

COMMANDS = ("nvmesh_attach_volumes", "nvmesh_detach_volumes")
PER_VOLUME = "--json"  # without it only the exit code tells, and that for all of them together


@dataclass
class Batch:
    """One command to be: the last words of those who wait for it, and how it ended."""

    names: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    done: Completed | None = None


waiting: dict[tuple[str, ...], Batch] = {}  # by all words but the last
changing, running = threading.Lock(), threading.Lock()


def suits(argv: Sequence[str]) -> bool:
    """Return whether a command may be run together with others."""
    return argv[0] in COMMANDS and PER_VOLUME in argv


def run(argv: Sequence[str], timeout: float) -> Completed:
    """Run a command, maybe with others of the same words but the last. Raises CommandTimeout."""
    words = tuple(argv[:-1])
    with changing:
        batch = waiting.setdefault(words, Batch())
        batch.names.append(argv[-1])
        first = len(batch.names) == 1
    if first:
        _lead(words, batch, timeout)
    if not batch.ended.wait(0.0 if first else 2 * timeout) or batch.done is None:
        raise CommandTimeout(argv, timeout)
    return batch.done._replace(argv=tuple(argv))


def _lead(words: tuple[str, ...], batch: Batch, timeout: float) -> None:
    """Wait for the command that runs, and run one for all who have come until then."""
    free = running.acquire(timeout=timeout)
    try:
        with changing:
            waiting.pop(words)
        if free:
            batch.done = command.run((*words, *dict.fromkeys(batch.names)), timeout)
    finally:
        batch.ended.set()
        if free:
            running.release()
