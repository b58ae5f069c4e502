"""What is up only once on a machine and leaves nothing behind: the lock, and the signals that become exceptions."""

from __future__ import annotations

import contextlib
import fcntl
import signal
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from lab.commands import LabError
from lab.needs import demand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType, TracebackType


class Single(ABC):
    """One at a time on a machine: `with` builds it and takes it away again, also when it was built only in part."""

    def __init__(self, what: str, path: Path, lacking: Callable[[], str | None]) -> None:
        self._what = what
        self._path = path
        self._lacking = lacking
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        demand(self._lacking())
        with contextlib.ExitStack() as undo:
            undo.enter_context(lock(self._path, self._what))
            undo.enter_context(interruptible())
            undo.callback(self._end)
            self._build()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        self._undo.close()

    @abstractmethod
    def _build(self) -> None:
        """Bring everything up."""

    @abstractmethod
    def _end(self) -> None:
        """Take away whatever is there of it."""


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock, which ends with this process however it ends; LabError when another process has it."""
    with path.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LabError(f"another {what} is up on this machine ({path}); one at a time") from error
        yield


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM, and a SIGINT that a background shell ignores, into an exception: what is up is taken along."""
    handlers = {}
    with contextlib.suppress(ValueError):  # not the main thread: whoever is, looks after signals
        for number in (signal.SIGTERM, signal.SIGINT):
            handlers[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
