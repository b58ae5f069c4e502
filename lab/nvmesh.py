"""The simulated NVMesh: hosts, volumes and attachments, and the host commands of its 1.x and 2.x releases (nvmesh.md)."""

from __future__ import annotations

import os
import stat
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from lab import eras, loops, places, statusfiles
from lab.attachment import READY, Attachment, Host, Volume
from lab.commands import LabError
from lab.eras import ERAS, Result
from lab.reservations import MODES, SHARED_READ_ONLY, Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.management import Wish
    from lab.views import Views

BUSY = "Device is busy. ErrorID: 1048"
BETWEEN_LOOKS = 0.15  # seconds between two looks whether an open volume was closed


class Nvmesh:
    """Hosts, volumes and what connects them. Thread-safe: what IO depends on changes only under a volume's gate."""

    def __init__(self, hosts: list[str], images: list[Path], views: Views, log: Callable[..., None]) -> None:
        self.hosts = {name: Host(name) for name in hosts}
        self.volumes = {image.stem: _open_volume(image) for image in images}
        self.views = views
        self.log = log
        self.era = ERAS["2.4"]
        self.overrides: dict[tuple[str, str], str | None] = {}
        self.defects: dict[tuple[str, str], str | None] = {}
        self.failures: dict[str, Result | None] = {}
        self.wishes: dict[tuple[str, str], Wish] = {}  # what the management of 3.x wants attached
        self.persisted: dict[tuple[str, str], str] = {}  # what the client of 2.x attaches again after a boot
        self.together = threading.Barrier(len(hosts))
        self.started: list[Callable[[], None]] = []  # told when a client starts
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
        results = {}
        for name in names:
            forced = self.failures.get(name)
            results[name] = do(name) if forced is None else forced
        if self.era.crash:
            return eras.crashed(self.era)
        denied = any(result.get("error") == f"{self.era.denied}." for result in results.values())
        return eras.reply(self.era, {name: result for name, result in results.items() if result}, denied=denied)

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
        self.persisted[host.name, name] = access
        self.connect(fresh)
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
            # Hosts that died without a detach are dropped here, as a management that has noticed would do.
            volume.reservation.attached &= {*volume.attachments, host.name}
        return self.register(host, volume, access, version, answer.value)

    def _detach(self, host: Host, name: str, *, force: bool) -> Result:
        volume = self.volumes.get(name)
        if volume is None:
            return {"status": "Unknown Volume", "error": "Unknown Volume ID Given for detach."}
        held = volume.attachments.get(host.name)
        if held is None:
            return {"status": "Not Attached"}
        if held.detaching and not force:
            return {"status": "Duplicate Request", "error": "Duplicate Request"}
        if not force and self.busy(held):
            self.log("busy", host=host.name, volume=name, version=held.version)
            if self.era.busy == "pending":
                threading.Thread(target=self._detach_later, args=(held,), daemon=True).start()
                return {"status": "Pending"}
            return {"status": "Busy", "error": BUSY}
        self.disconnect(held, force=force)
        return {"status": "Detached"}

    def _detach_later(self, held: Attachment) -> None:
        held.detaching = True
        self.publish(held.volume)
        while self.busy(held):
            time.sleep(BETWEEN_LOOKS)
        if not held.gone:
            self.disconnect(held, force=False)

    # --- attachments, whoever asked for them

    def register(self, host: Host, volume: Volume, mode: str, version: int, how: str) -> Attachment:
        """Tell the targets of an attachment; under the gate. The highest version wins, at once and for ever."""
        for other in volume.attachments.values():
            if other.version < version and other.host is not host and not other.preempted:
                self._preempt(other, by=host.name)
        key = f"{host.name}@{volume.name}@{next(self._numbers)}"
        volume.attachments[host.name] = fresh = Attachment(host, volume, mode, version, key)
        self.log("attach", host=host.name, volume=volume.name, mode=mode, version=version, how=how)
        if version < volume.highest:
            self._preempt(fresh, by=volume.reservation.reserved_by)
        volume.highest = max(volume.highest, version)
        return fresh

    def _preempt(self, held: Attachment, by: str | None) -> None:
        self._lose(held, "preempted")
        held.preempted = True
        self.log("preempted", host=held.host.name, volume=held.volume.name, version=held.version, by=by)

    def _lose(self, held: Attachment, why: str) -> None:
        if held.granted:
            held.granted = False
            self.log("loss", **_who(held), why=why)

    def connect(self, fresh: Attachment) -> None:
        """Make the node, which is there before IO is, as in the real client; then let IO come."""
        if self.era.bare:
            fresh.loop = ""
        else:
            self.views.attachments[fresh.key] = fresh
            fresh.loop = loops.attach(places.VIEWS / fresh.key, read_only=fresh.mode == SHARED_READ_ONLY)
            _make_node(_node(fresh), fresh.loop)
        if fresh.gone:
            self._unmake(fresh)
            return
        delay = fresh.volume.io_delay
        if delay == 0:
            self._enable(fresh)
            return
        self.publish(fresh.volume)
        if delay is not None:
            threading.Timer(delay, self._enable, (fresh,)).start()

    def _enable(self, fresh: Attachment) -> None:
        with fresh.volume.gate.exclusive():
            fresh.enabled = not (fresh.gone or fresh.preempted)
            fresh.granted = fresh.enabled and fresh.writable
            if fresh.granted:
                self.log("grant", **_who(fresh))
            self._publish_all(fresh.volume)
        if fresh.enabled:
            self.log("io-enabled", host=fresh.host.name, volume=fresh.volume.name, version=fresh.version)

    def busy(self, held: Attachment) -> bool:
        """Return whether anything has the device of an attachment open."""
        return bool(held.loop) and loops.busy(str(held.loop))

    def disconnect(self, held: Attachment, *, force: bool, leave: bool = True) -> None:
        """Detach; `leave` also takes the host out of the reservation."""
        self._drop(held, "detach")
        self.persisted.pop((held.host.name, held.volume.name), None)
        if leave and held.host.cut is None:  # else the management hears of it when the host is back (Controls.cut)
            self.wishes.pop((held.host.name, held.volume.name), None)
            with held.volume.gate.exclusive():
                held.volume.reservation.leave(held.host.name)
        self.log("detach", host=held.host.name, volume=held.volume.name, version=held.version, force=force)

    def _drop(self, held: Attachment, why: str) -> None:
        with held.volume.gate.exclusive():
            self._lose(held, why)
            held.gone = True
            if held.volume.attachments.get(held.host.name) is held:
                del held.volume.attachments[held.host.name]
        with self._publishing:
            statusfiles.withdraw(held.host.name, held.volume.name)
        self._unmake(held)

    def _unmake(self, held: Attachment) -> None:
        if held.loop:
            _node(held).unlink(missing_ok=True)
            loops.detach(held.loop, places.VIEWS / held.key)

    # --- what a boot or the end of the client does

    def module(self, host: str, *, up: bool) -> None:
        """Start or stop the client of a host; stopping it detaches everything, open or not."""
        self.end_attachments(self.hosts[host], "client stopped" if not up else "client started")
        self.hosts[host].state = READY if up else 0
        statusfiles.module(host, READY if up else 0)
        self.log("module", host=host, up=up)
        if up:
            self._attach_again(host)
            for tell in self.started:
                tell()

    def _attach_again(self, host: str) -> None:
        if self.era.auto_attach:
            for name, access in [(key[1], mode) for key, mode in self.persisted.items() if key[0] == host]:
                self._attach(self.hosts[host], name, access, False, False)

    def end_attachments(self, host: Host, why: str = "power") -> None:
        """Let every attachment of a host end, while its reservations stay in the table."""
        for volume in self.volumes.values():
            held = volume.attachments.get(host.name)
            if held:
                self._drop(held, why)
                if held.preempted and (host.name, volume.name) not in self.wishes:
                    volume.reservation.leave(host.name)

    def publish(self, volume: Volume) -> None:
        """Bring every host's files about a volume up to date."""
        with volume.gate.exclusive():
            self._publish_all(volume)

    def _publish_all(self, volume: Volume) -> None:
        # Losers first: a new holder may write only when the one before it cannot, and the files must not say otherwise.
        with self._publishing:
            for name, held in sorted(volume.attachments.items(), key=lambda entry: entry[1].granted):
                if held.loop is not None:
                    key = (name, volume.name)
                    statusfiles.publish(held, self.era.style, self.overrides.get(key), self.defects.get(key))


def _who(held: Attachment) -> dict[str, object]:
    return {"host": held.host.name, "volume": held.volume.name, "version": held.version, "mode": held.mode}


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
