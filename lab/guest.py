"""A client with the client programs of Debian: a tree of its own in the lab's network, which needs no boot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab import base, places
from lab.client import Writer
from lab.layers import Layer
from lab.server import overlay

if TYPE_CHECKING:
    from lab.cluster import Lab

LAYER = Layer(("python3-psycopg2", "python3-pymysql", "libnfs13"))
PROGRAM = ("protocols.py", "libnfs.py", "pace.py", "steady.py")


def tree() -> Path:
    """Make the tree that the clients of a lab share; it goes with the lab."""
    root = base.ensure() / "root"
    made = overlay([LAYER.ensure(root), root], places.DISK / "guest")
    (made / "lab").mkdir()
    for name in PROGRAM:
        (made / "lab" / name).write_text(Path(__file__).with_name(name).read_text())
    return made


class Guest(Writer):
    """Writes rows by a protocol of `lab.protocols` until it is stopped."""

    def __init__(self, lab: Lab, root: Path, kind: str, address: str, port: int) -> None:
        super().__init__(lab.network, address, port)
        self.kind, self.root = kind, root
        self.name = f"{kind} {address}:{port}"
        self.file = root / self.file.name
        lab.writers.append(self)

    def command(self, verb: str, address: str) -> tuple[str, ...]:
        """Return the words that run the client in its tree."""
        program = ("chroot", str(self.root), "/usr/bin/python3", "-Es", "-m", "lab.protocols")
        return (*self.network.enter(), *program, verb, self.kind, address, self.target[1], f"/{self.file.name}")
