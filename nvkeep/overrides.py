"""The orders given by hand, one file each in /var/lib/nvkeep/override: they survive a reboot, and everybody can read them.

standby              of this host
stopped.SERVICE, away.SERVICE, maintenance.SERVICE
"""

import json
from collections.abc import Iterator
from dataclasses import asdict

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.override import Kind, Override
from nvkeep.state import VAR

PLACE = f"{VAR}/override"
ORDERS = (Kind.STANDBY, Kind.STOPPED, Kind.AWAY)  # those that let a service go


class Overrides:
    """The orders on one host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def read(self, kind: Kind, service: str) -> Override | None:
        """Read an order, be it over or not; None where there is none. Raises ProbeError when it cannot be read."""
        path = _path(kind, service)
        try:
            found = json.loads(self.host.read(path))
            return Override(**found | {"kind": kind, "until": float(found["until"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ProbeError(f"{path} cannot be read: {error}; nvkeep override end {kind} {service}".rstrip()) from error

    def give(self, order: Override) -> None:
        """Record an order so that it survives a power cut. Raises OSError."""
        self.host.write(_path(order.kind, order.service), json.dumps(asdict(order)), durable=True)

    def end(self, kind: Kind, service: str) -> bool:
        """Forget an order; tell whether there was one. Raises OSError."""
        path = _path(kind, service)
        there = self.host.exists(path)
        if there:
            self.host.remove(path, durable=True)
        return there

    def told(self, service: str) -> str:
        """Say which order lets a service go here; empty when there is none. Raises ProbeError."""
        return next((str(one) for one in self._of(service, ORDERS) if not one.over(self.host.wall())), "")

    def maintained(self, service: str) -> str:
        """Say that a service is in maintenance; empty when it is not. Raises ProbeError."""
        found = self.read(Kind.MAINTENANCE, service)
        return str(found) if found and not found.over(self.host.wall()) else ""

    def in_force(self, service: str) -> list[str]:
        """List the orders that hold for a service here, for people."""
        return [str(one) for one in self._of(service, tuple(Kind)) if not one.over(self.host.wall())]

    def expired(self, service: str) -> list[str]:
        """List the orders whose time is over and that nobody has ended."""
        return [one.expired for one in self._of(service, tuple(Kind)) if one.over(self.host.wall())]

    def _of(self, service: str, kinds: tuple[Kind, ...]) -> Iterator[Override]:
        for kind in kinds:
            if found := self.read(kind, service):
                yield found


def _path(kind: Kind, service: str) -> str:
    return f"{PLACE}/{kind}" if kind is Kind.STANDBY else f"{PLACE}/{kind}.{service}"
