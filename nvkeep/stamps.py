"""What was done by hand in this boot, and when: one small file each in /run/nvkeep, gone with the boot. Seconds since boot."""

import json
from dataclasses import dataclass

from nvkeep.host import Host
from nvkeep.state import RUN


@dataclass(frozen=True)
class Stamps:
    """The stamps of one service on one host."""

    host: Host
    service: str

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

    def asked_back(self) -> float:
        """Give when this host last asked for the service back; long ago = not in this boot."""
        return self._read("failback") or float("-inf")

    def ask_back(self) -> None:
        """Record that this host asks for the service back. Raises OSError."""
        self._write("failback", self.host.now())

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
