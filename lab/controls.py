"""What only the outside may do to the storage: power, cuts, stalls, delays, lies, and looking at the table."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from lab import places, statusfiles
from lab.attachment import FIRST_IO_WITHIN, READY
from lab.eras import ERAS, Result
from lab.health import HEALTH
from lab.reservations import Reservation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.attachment import Attachment, Volume
    from lab.management import Management
    from lab.nvmesh import Nvmesh


class Controls:
    """The control socket: every public method is a request."""

    def __init__(self, mesh: Nvmesh, servers: Management) -> None:
        self._mesh = mesh
        self._servers = servers

    def answer(self, request: dict[str, Any]) -> object:
        """Do what a request asks for and return its reply."""
        name = request.pop("op")
        if name.startswith("_") or name == "answer" or not hasattr(self, name):
            raise ValueError(f"unknown request {name}")
        return getattr(self, name)(**request)

    def power(self, host: str, on: bool) -> None:
        """Record that a host lost or gets its power: its attachments are gone, its reservations are not."""
        mesh = self._mesh
        mesh.end_attachments(mesh.hosts[host])
        mesh.hosts[host].state = 0
        mesh.hosts[host].cut = None if on else "fail"
        statusfiles.module(host, 0)
        mesh.log("power", host=host, on=on)

    def cut(self, host: str, how: str | None) -> None:
        """Cut a host off the storage (`fail` or `hang`), or connect it again (None)."""
        mesh = self._mesh
        with contextlib.ExitStack() as gates:
            for volume in mesh.volumes.values():
                gates.enter_context(volume.gate.exclusive())
            mesh.hosts[host].cut = how
            for volume in mesh.volumes.values():
                if how is None and host not in volume.attachments and (host, volume.name) not in mesh.wishes:
                    volume.reservation.leave(host)
        self._servers.wake()
        mesh.log("cut" if how else "heal", host=host, how=how)
        for volume in mesh.volumes.values():
            mesh.publish(volume)

    def stall(self, volume: str, host: str, on: bool) -> None:
        """Let the IO of one host (`*`: all) on a volume block, or release it."""
        chosen = self._mesh.volumes[volume]
        with chosen.gate.exclusive():
            (chosen.stalled.add if on else chosen.stalled.discard)(host)
        self._mesh.log("stall" if on else "resume", host=host, volume=volume)
        self._mesh.publish(chosen)

    def io_delay(self, volume: str, seconds: float | None) -> None:
        """Set how long after an attach IO is enabled; None is never."""
        self._mesh.volumes[volume].io_delay = seconds

    def first_io(self, volume: str, seconds: float) -> None:
        """Set how long reads and writes wait for the first enable before they fail."""
        self._mesh.volumes[volume].first_io = seconds

    def health(self, volume: str, host: str, text: str | None) -> None:
        """Let a live volume be in another condition for a host (`*`: all), with what that means for its IO."""
        chosen = self._mesh.volumes[volume]
        with chosen.gate.exclusive():
            chosen.health.pop(host, None)
            if text is not None:
                chosen.health[host] = text if text in HEALTH else _no_such(text, HEALTH)
        self._mesh.log("health", host=host, volume=volume, text=text)
        self._mesh.publish(chosen)

    def client(self, host: str, state: int | None) -> None:
        """Let a host's client module be in a state (0 to 4), or its tree in /proc be absent."""
        mesh = self._mesh
        mesh.hosts[host].state = state
        statusfiles.module_state(host, state)
        for volume in mesh.volumes.values():
            mesh.publish(volume)
        self._servers.wake()

    def entry(self, host: str, name: str, kind: str | None) -> None:
        """Add an entry to a host's volumes that is no attachment of an administrator; None takes it away."""
        if kind is None:
            statusfiles.withdraw(host, name)
        else:
            statusfiles.entry(host, name, kind)

    def configure(self, era: str | None = None, **changes: Any) -> None:  # noqa: ANN401 - Era checks the names
        """Answer as another era from now on, or with single habits changed."""
        self._mesh.era = replace(ERAS[era] if era else self._mesh.era, **changes)
        for volume in self._mesh.volumes.values():
            self._mesh.publish(volume)

    def management(self, **changes: Any) -> None:  # noqa: ANN401 - Habits checks the names
        """Change single habits of the management servers."""
        self._servers.habits = replace(self._servers.habits, **changes)
        self._servers.wake()

    def server(self, name: str, state: str) -> None:
        """Let one management server be `up`, `down`, `hang`, or answer every call with an HTTP code."""
        self._servers.habits.servers[name] = state
        if state != "up":
            self._servers.end_sessions(name)

    def override(self, host: str, volume: str, text: str | None) -> None:
        """Let a host's status.json be this text, valid or not; None ends that."""
        self._mesh.overrides[host, volume] = text
        self._mesh.publish(self._mesh.volumes[volume])

    def defect(self, host: str, volume: str, kind: str | None) -> None:
        """Let a host's status.json have one of lab.statusfiles.DEFECTS; None ends that."""
        known = kind is None or kind in statusfiles.DEFECTS
        self._mesh.defects[host, volume] = kind if known else _no_such(str(kind), statusfiles.DEFECTS)
        self._mesh.publish(self._mesh.volumes[volume])

    def fail(self, volume: str, result: Result | None) -> None:
        """Let commands on a volume answer this and do nothing (an empty one: not name it at all); None ends that."""
        self._mesh.failures[volume] = result

    def wishes(self) -> dict[str, object]:
        """Return what the management wants attached: HOST/VOLUME to mode, version, action, status."""
        facts = ("mode", "version", "action", "force", "status")
        return {
            f"{host}/{volume}": {name: getattr(wish, name) for name in facts}
            for (host, volume), wish in list(self._mesh.wishes.items())
        }

    def reset(self) -> None:
        """Behave well again: no lies, no delays, no failures; attachments and reservations stay."""
        mesh = self._mesh
        mesh.era = ERAS["2.4"]
        self._servers.habits = type(self._servers.habits)()
        for known in (mesh.overrides, mesh.defects, mesh.failures):
            known.clear()
        for host in mesh.hosts.values():
            host.cut = None
        for volume in mesh.volumes.values():
            with volume.gate.exclusive():
                volume.io_delay, volume.first_io = 0.0, FIRST_IO_WITHIN
                volume.stalled.clear()
                volume.health.clear()
            mesh.publish(volume)
        self._servers.wake()

    def fresh(self) -> None:
        """Behave well again, with nothing attached anywhere, no wishes, and every volume free at version 1."""
        self.reset()
        mesh = self._mesh
        mesh.wishes.clear()
        mesh.persisted.clear()
        for host in mesh.hosts.values():
            mesh.end_attachments(host, "fresh")
            statusfiles.module(host.name, READY)
            host.state = READY
        for volume in mesh.volumes.values():
            with volume.gate.exclusive():
                volume.reservation, volume.highest = Reservation(), 0
        mesh.log("fresh")

    def table(self) -> dict[str, object]:
        """Return the reservation table, and what every host has attached."""
        return {name: _describe(volume) for name, volume in self._mesh.volumes.items()}

    def serving(self) -> bool:
        """Return whether the views are mounted."""
        return os.path.ismount(places.VIEWS)


def _describe(volume: Volume) -> dict[str, object]:
    held = volume.reservation
    return {
        "mode": held.mode,
        "version": held.version,
        "reserved_by": held.reserved_by,
        "attached": sorted(held.attached),
        "here": {name: _facts(each) for name, each in list(volume.attachments.items())},
    }


def _no_such(word: str, known: Iterable[str]) -> NoReturn:
    raise ValueError(f"no such thing as {word}; there is {', '.join(known)}")


def _facts(held: Attachment) -> dict[str, object]:
    names = ("mode", "version", "loop", "enabled", "granted", "preempted", "detaching", "alive", "writes", "last_write")
    return {name: getattr(held, name) for name in names}
