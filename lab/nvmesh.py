"""The simulated NVMesh: attach, detach and preempt on one reservation table, as nvmesh.md says it behaves."""

from __future__ import annotations

import os
import stat
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from lab import eras, loops, places, statusfiles
from lab.attachment import Attachment, Host, Volume
from lab.commands import LabError
from lab.eras import ERAS, Result
from lab.reservations import MODES, SHARED_READ_ONLY, Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.views import Views

BUSY = "Device is busy. ErrorID: 1048"


class Nvmesh:
    """Hosts, volumes and what connects them. Thread-safe: what IO depends on changes only under a volume's gate."""

    def __init__(self, hosts: list[str], images: list[Path], views: Views, log: Callable[..., None]) -> None:
        self.hosts = {name: Host(name) for name in hosts}
        self.volumes = {image.stem: _open_volume(image) for image in images}
        self.views = views
        self.log = log
        self.era = ERAS["2.4"]
        self.overrides: dict[tuple[str, str], str | None] = {}
        self.failures: dict[str, Result | None] = {}
        self._numbers = count(1)
        self._publishing = threading.Lock()

    # --- what the commands in a server ask for

    def attach(self, host: str, names: list[str], access: str, *, preempt: bool, wait: bool) -> dict[str, object]:
        """Attach volumes to a host; the reply is what the command prints."""
        return self._each(host, names, lambda name: self._attach(self.hosts[host], name, access, preempt, wait))

    def detach(self, host: str, names: list[str], *, force: bool) -> dict[str, object]:
        """Detach volumes from a host; the reply is what the command prints."""
        return self._each(host, names, lambda name: self._detach(self.hosts[host], name, force=force))

    def _each(self, host: str, names: list[str], do: Callable[[str], Result]) -> dict[str, object]:
        if self.era.hang:
            threading.Event().wait()
        if self.era.down or not self.hosts[host].ready:
            return eras.module_down(self.era)
        results = {name: self.failures.get(name) or do(name) for name in names}
        denied = any(result.get("error") == f"{self.era.denied}." for result in results.values())
        return eras.reply(self.era, results, denied=denied)

    def _attach(self, host: Host, name: str, access: str, preempt: bool, wait: bool) -> Result:
        volume = self.volumes.get(name)
        if volume is None or access not in MODES or host.cut:
            error = "Volume attach request failed. Failed to update volume. ErrorID: 1047"
            return {"status": "Attach Failed", "error": error}
        with volume.gate.exclusive():
            held = volume.attachments.get(host.name)
            fresh = None if held else self._grant(host, volume, access, preempt=preempt)
        if held:
            return self._already(held, access)
        if fresh is None:
            return eras.denial(self.era)
        self._connect(fresh)
        if not wait:
            return {"status": "Attached"}
        volume.gate.wait(lambda: fresh.enabled or fresh.gone or fresh.preempted)
        return {"status": "Attached IO Enabled"} if fresh.alive else {"status": "Attach Failed", "error": "No IO."}

    def _already(self, held: Attachment, access: str) -> Result:
        if held.preempted:
            return eras.denial(self.era)
        if held.mode != access:
            return {"status": "Already Attached", "error": f"Already attached with {held.mode}."}
        return {"status": "Already Attached"}

    def _grant(self, host: Host, volume: Volume, access: str, *, preempt: bool) -> Attachment | None:
        answer = volume.reservation.request(host.name, access, preempt=preempt)
        version, facts = volume.reservation.version, {"host": host.name, "volume": volume.name, "mode": access}
        if answer is Answer.DENIED:
            self.log("denied", **facts, version=version, holder=volume.reservation.reserved_by)
            return None
        if answer is Answer.PREEMPT:
            self._preempt_others(host, volume)
        key = f"{host.name}@{volume.name}@{next(self._numbers)}"
        volume.attachments[host.name] = fresh = Attachment(host, volume, access, version, key)
        self.log("attach", **facts, version=version, how=answer.value)
        return fresh

    def _preempt_others(self, host: Host, volume: Volume) -> None:
        for name, other in volume.attachments.items():
            other.preempted = True
            self.log("preempted", host=name, volume=volume.name, version=other.version, by=host.name)
        # Hosts that died without a detach are dropped here, as a management that has noticed would do.
        volume.reservation.attached &= {*volume.attachments, host.name}

    def _connect(self, fresh: Attachment) -> None:
        self.views.attachments[fresh.key] = fresh
        fresh.loop = loops.attach(places.VIEWS / fresh.key, read_only=fresh.mode == SHARED_READ_ONLY)
        # The node is there before IO is, as in the real client.
        _make_node(_node(fresh), fresh.loop)
        self.publish(fresh.volume)
        delay = fresh.volume.io_delay
        if delay == 0:
            self._enable(fresh)
        elif delay is not None:
            threading.Timer(delay, self._enable, (fresh,)).start()

    def _enable(self, fresh: Attachment) -> None:
        with fresh.volume.gate.exclusive():
            fresh.enabled = not (fresh.gone or fresh.preempted)
            self._publish_all(fresh.volume)
        if fresh.enabled:
            self.log("io-enabled", host=fresh.host.name, volume=fresh.volume.name, version=fresh.version)

    def _detach(self, host: Host, name: str, *, force: bool) -> Result:
        volume = self.volumes.get(name)
        if volume is None:
            return {"status": "Unknown Volume", "error": "Unknown Volume ID Given for detach."}
        held = volume.attachments.get(host.name)
        if held is None:
            return {"status": "Not Attached"}
        if not force and held.loop and loops.busy(held.loop):
            self.log("busy", host=host.name, volume=name, version=held.version)
            return {"status": "Busy", "error": BUSY}
        self._drop(held)
        if host.cut is None:  # else the management hears of it when the host is back (Controls.cut)
            with volume.gate.exclusive():
                volume.reservation.leave(host.name)
        self.log("detach", host=host.name, volume=name, version=held.version, force=force)
        return {"status": "Detached"}

    def _drop(self, held: Attachment) -> None:
        with held.volume.gate.exclusive():
            held.gone = True
            held.volume.attachments.pop(held.host.name, None)
        _node(held).unlink(missing_ok=True)
        with self._publishing:
            statusfiles.withdraw(held.host.name, held.volume.name)
        if held.loop:
            loops.detach(held.loop, places.VIEWS / held.key)

    # --- what a boot or the end of the client does

    def module(self, host: str, *, up: bool) -> None:
        """Start or stop the client of a host; stopping it detaches everything, open or not."""
        self.end_attachments(self.hosts[host])
        self.hosts[host].ready = up
        statusfiles.module(host, ready=up)
        self.log("module", host=host, up=up)

    def end_attachments(self, host: Host) -> None:
        """Let every attachment of a host end, while its reservations stay in the table."""
        for volume in self.volumes.values():
            held = volume.attachments.get(host.name)
            if held:
                self._drop(held)
                if held.preempted:
                    volume.reservation.leave(host.name)

    def publish(self, volume: Volume) -> None:
        """Bring every host's files about a volume up to date."""
        with volume.gate.exclusive():
            self._publish_all(volume)

    def _publish_all(self, volume: Volume) -> None:
        with self._publishing:
            for name, held in volume.attachments.items():
                if held.loop:
                    statusfiles.publish(held, self.era.style, self.overrides.get((name, volume.name)))


def _open_volume(image: Path) -> Volume:
    return Volume(image.stem, image, os.open(image, os.O_RDWR), image.stat().st_size)


def _node(held: Attachment) -> Path:
    return places.nvmesh(held.host.name) / "dev" / held.volume.name


def _make_node(path: Path, device: str) -> None:
    path.unlink(missing_ok=True)
    try:
        os.mknod(path, stat.S_IFBLK | 0o660, Path(device).stat().st_rdev)
    except OSError as error:
        raise LabError(f"{path}: {error}") from error
