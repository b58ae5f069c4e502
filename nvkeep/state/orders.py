"""What was ordered by hand, and when.

The orders are one file each in /var/lib/nvkeep/override (standby, stopped.SERVICE, away.SERVICE, maintenance.SERVICE): they
survive a reboot, and everybody can read them. When something was done by hand is one small file each in /run/nvkeep, in seconds
since boot and gone with the boot. Only when this host last asked for a service back is in /var/lib/nvkeep, by the wall clock: a
host that dies of serving must not ask again at once when it is up.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict

from nvkeep.errors import Busy, ProbeError
from nvkeep.host import Host, load
from nvkeep.model.frozen import frozen
from nvkeep.model.override import LATEST, Kind, Override
from nvkeep.state.files import RUN, VAR, alone

DIRECTORY = f"{VAR}/override"
ORDERS = (Kind.STANDBY, Kind.STOPPED, Kind.AWAY)  # those that let a service go


class Overrides:
    """The orders on one host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def read(self, kind: Kind, service: str) -> Override | None:
        """Read an order, be it over or not; None where there is none. Raises ProbeError when it cannot be read."""
        path = _path(kind, service)
        try:
            record = load(self.host.read(path))
            return Override(**record | {"kind": kind, "until": _end(record["until"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise ProbeError(f"{path} cannot be read: {error}; nvkeep override end {kind} {service}".rstrip()) from error

    def give(self, order: Override) -> None:
        """Record an order so that it survives a power cut. Raises OSError."""
        self.host.write(_path(order.kind, order.service), json.dumps(asdict(order)), durable=True)

    def end(self, kind: Kind, service: str) -> bool:
        """Forget an order; return whether there was one. Raises OSError."""
        path = _path(kind, service)
        there = self.host.exists(path)
        if there:
            self.host.remove(path, durable=True)
        return there

    def release_order(self, service: str) -> str:
        """Say which order lets a service go here; empty when there is none. Raises ProbeError."""
        return next((str(order) for order in self._of(service, ORDERS) if not order.over(self.host.wall())), "")

    def maintained(self, service: str) -> str:
        """Say that a service is in maintenance; empty when it is not. Raises ProbeError."""
        order = self.read(Kind.MAINTENANCE, service)
        return str(order) if order and not order.over(self.host.wall()) else ""

    def in_force(self, service: str) -> list[str]:
        """List the orders that hold for a service here, for people."""
        return [str(order) for order in self._of(service, tuple(Kind)) if not order.over(self.host.wall())]

    def expired(self, service: str) -> list[str]:
        """List the orders whose time is over and that nobody has ended."""
        return [order.expired for order in self._of(service, tuple(Kind)) if order.over(self.host.wall())]

    def _of(self, service: str, kinds: tuple[Kind, ...]) -> Iterator[Override]:
        for kind in kinds:
            if order := self.read(kind, service):
                yield order


def _end(until: object) -> float:
    if not isinstance(until, int | float) or not 0 <= until <= LATEST:
        raise ValueError(f"{until} is no end")
    return float(until)


def _path(kind: Kind, service: str) -> str:
    return f"{DIRECTORY}/{kind}" if kind is Kind.STANDBY else f"{DIRECTORY}/{kind}.{service}"


@frozen
class Timestamps:
    """The timestamps of one service on one host."""

    host: Host
    service: str

    def alone(self) -> AbstractContextManager[None]:
        """Keep a second move of the service away. Raises Busy."""
        problem = f"{self.service} is being moved already; nvkeep status"
        return alone(self.host, f".move-{self.service}", 0.0, lambda: Busy(problem))

    def moving(self) -> bool:
        """Return whether `nvkeep move` releases the service now; one that was killed is over after its time."""
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
        """Return whether this host has not asked for the service back for so long; what cannot be read is just now."""
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
            record = load(self.host.read(self._path(what)))
            return float(record["at"]) if record["boot"] == self.host.boot_id() else 0.0
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return 0.0

    def _write(self, what: str, at: float) -> None:
        self.host.write(self._path(what), json.dumps({"at": at, "boot": self.host.boot_id()}))
