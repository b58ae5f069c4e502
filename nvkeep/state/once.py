"""Reads a file once, while nobody else writes it: a pass asks for its own records again and again."""

from collections.abc import Iterator
from contextlib import contextmanager

from nvkeep.host import Host


class Once:
    """The files of a host that only the holder of a lock writes. Raises what the host raises, and the same again."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._known: dict[str, str | OSError] | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock meanwhile."""
        self._known = {}
        try:
            yield
        finally:
            self._known = None

    def read(self, path: str) -> str:
        """Read a file, or know it from before."""
        if self._known is None:
            return self.host.read(path)
        if path not in self._known:
            self._known[path] = self._read(path)
        text = self._known[path]
        if isinstance(text, OSError):
            raise text
        return text

    def _read(self, path: str) -> str | OSError:
        try:
            return self.host.read(path)
        except OSError as error:
            return error

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        """Replace a file; it is read anew then, also where it could not be written."""
        self._forget(path)
        self.host.write(path, text, durable=durable)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._forget(path)
        self.host.remove(path)

    def _forget(self, path: str) -> None:
        if self._known:
            self._known.pop(path, None)
