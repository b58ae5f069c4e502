"""The gate before a volume: reads and writes go through side by side, a take-over waits for them and goes alone."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Gate:
    """A lock that makes a take-over atomic: after it, no write admitted before it is still on its way."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0
        self._taking = False

    @contextmanager
    def shared(self, ready: Callable[[], bool], within: float | None) -> Iterator[bool]:
        """Go through with others once `ready`; yield False when that did not come in time."""
        with self._turn:
            admitted = self._turn.wait_for(lambda: not self._taking and ready(), within)
            self._inside += admitted
        try:
            yield admitted
        finally:
            if admitted:
                self._leave()

    def _leave(self) -> None:
        with self._turn:
            self._inside -= 1
            if not self._inside:
                self._turn.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep everyone out, wait until nobody is inside, and wake the waiting afterwards."""
        with self._turn:
            self._turn.wait_for(lambda: not self._taking)
            self._taking = True
            self._turn.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._turn:
                self._taking = False
                self._turn.notify_all()

    def wait(self, condition: Callable[[], bool], within: float | None = None) -> bool:
        """Wait until a condition that only changes in `exclusive` holds."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._taking and condition(), within)
