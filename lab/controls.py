"""What only the outside may do to the storage: power, cuts, stalls, delays, lies, and looking at the table."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lab import places, statusfiles
from lab.eras import ERAS, Result

if TYPE_CHECKING:
    from lab.attachment import Attachment, Volume
    from lab.nvmesh import Nvmesh


class Controls:
    """The control socket: every public method is a request."""

    def __init__(self, mesh: Nvmesh) -> None:
        self._mesh = mesh

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
        mesh.hosts[host].ready = False
        mesh.hosts[host].cut = None if on else "fail"
        statusfiles.module(host, ready=False)
        mesh.log("power", host=host, on=on)

    def cut(self, host: str, how: str | None) -> None:
        """Cut a host off the storage (`fail` or `hang`), or connect it again (None)."""
        mesh = self._mesh
        with contextlib.ExitStack() as gates:
            for volume in mesh.volumes.values():
                gates.enter_context(volume.gate.exclusive())
            mesh.hosts[host].cut = how
            for volume in mesh.volumes.values():
                if how is None and host not in volume.attachments:
                    volume.reservation.leave(host)
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

    def configure(self, era: str | None = None, **changes: Any) -> None:  # noqa: ANN401 - Era checks the names
        """Answer as another era from now on, or with single habits changed."""
        self._mesh.era = replace(ERAS[era] if era else self._mesh.era, **changes)
        for volume in self._mesh.volumes.values():
            self._mesh.publish(volume)

    def override(self, host: str, volume: str, text: str | None) -> None:
        """Let a host's status.json be this text, valid or not; None ends that."""
        self._mesh.overrides[host, volume] = text
        self._mesh.publish(self._mesh.volumes[volume])

    def fail(self, volume: str, result: Result | None) -> None:
        """Let commands on a volume answer this and do nothing; None ends that."""
        self._mesh.failures[volume] = result

    def table(self) -> dict[str, object]:
        """Return the reservation table, and what every host has attached."""
        return {name: _describe(volume) for name, volume in self._mesh.volumes.items()}

    def serving(self) -> bool:
        """Tell whether the views are mounted."""
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


def _facts(held: Attachment) -> dict[str, object]:
    names = ("mode", "version", "loop", "enabled", "preempted", "alive", "writes", "last_write")
    return {name: getattr(held, name) for name in names}
