"""What was done by hand, and when: one small file each in /run/nvkeep, in seconds since boot and gone with the boot.

Only when this host last asked for the service back is in /var/lib/nvkeep, by the clock on the wall: a host that dies of serving
must not ask again at once when it is up.
"""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass

from nvkeep.errors import Busy
from nvkeep.host import Host
from nvkeep.state import RUN, VAR, alone


@dataclass(frozen=True)
class Stamps:
    """The stamps of one service on one host."""

    host: Host
    service: str

    def alone(self) -> AbstractContextManager[None]:
        """Keep a second move of the service away. Raises Busy."""
        said = f"{self.service} is being moved already; nvkeep status --all"
        return alone(self.host, f".move-{self.service}", 0.0, lambda: Busy(said))

    def moving(self) -> bool:
        """Tell whether `nvkeep move` lets go of the service now; one that was killed is over after its time."""
        return self.host.now() < self._read("moving")

    def order_move(self, until: float) -> None:
        """Record that the service is to go to another host. Raises OSError."""
        self._write("moving", until)

    def end_move(self) -> None:
        """Leave no trace of it."""
        self.host.remove(self._path("moving"))

    def started(self) -> float:
        """Give when somebody started the service here, with or without keepalived; 0 = not in this boot."""
        return self._read("started")

    def start(self) -> None:
        """Record that somebody starts the service here. Raises OSError."""
        self._write("started", self.host.now())

    def rested(self, seconds: float) -> bool:
        """Tell whether this host has not asked for the service back for so long; what cannot be read is just now."""
        try:
            at = float(self.host.read(self._asked))
            return abs(self.host.wall() - at) >= seconds
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False

    def ask_back(self) -> None:
        """Record that this host asks for the service back. Raises OSError."""
        self.host.write(self._asked, f"{self.host.wall():.0f}\n", durable=True)

    @property
    def _asked(self) -> str:
        return f"{VAR}/failback/{self.service}"

    def _path(self, what: str) -> str:
        return f"{RUN}/{what}/{self.service}"

    def _read(self, what: str) -> float:
        """Read a stamp; one that cannot be read, or is of another boot, is none."""
        try:
            found = json.loads(self.host.read(self._path(what)))
            return float(found["at"]) if found["boot"] == self.host.boot_id() else 0.0
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0

    def _write(self, what: str, at: float) -> None:
        self.host.write(self._path(what), json.dumps({"at": at, "boot": self.host.boot_id()}))
