"""The storage as a test sees it: start, control, the reservation table and the log of events."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lab import cgroups, loops, places
from lab.commands import LabError, run, until
from lab.reservations import EXCLUSIVE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in the storage; times are seconds of CLOCK_BOOTTIME and CLOCK_MONOTONIC."""

    kind: str
    boottime: float
    monotonic: float
    facts: dict[str, Any]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - facts are JSON
        return self.facts.get(name)


class Storage:
    """The storage process and its volumes."""

    def __init__(self, hosts: Iterable[str], volumes: Iterable[str]) -> None:
        self.hosts = tuple(hosts)
        self.volumes = tuple(volumes)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, template: Path) -> None:
        """Give every volume a copy of the template and begin to serve."""
        for path in (places.VIEWS, places.VOLUMES, places.SHARED):
            path.mkdir(parents=True, exist_ok=True)
        for host in self.hosts:
            for part in ("proc", "dev", "sock"):
                (places.nvmesh(host) / part).mkdir(parents=True)
        loops.keep_udev_off(places.VIEWS)
        for volume in self.volumes:
            copy = ("cp", "--reflink=auto", "--sparse=always", str(template), str(places.VOLUMES / f"{volume}.img"))
            run(copy, timeout=60)
        with (places.DISK / "storage.log").open("ab") as output:
            argv = (sys.executable, "-m", "lab.storaged", *self.hosts)
            self._process = cgroups.spawn(cgroups.TOOLS, argv, output=output)
        until(self._serving, within=10, what=f"the storage serves; see {places.DISK}/storage.log")

    def _serving(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise LabError(f"the storage ended: {(places.DISK / 'storage.log').read_text()[-2000:]}")
        try:
            return bool(self.control("serving"))
        except LabError:
            return False

    def stop(self) -> None:
        """End the process, if it has not ended yet; whatever still uses a volume gets errors."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def control(self, op: str, **facts: object) -> Any:  # noqa: ANN401 - replies are JSON
        """Ask the storage for something only the outside may; see the methods below for what there is."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as line:
            line.settimeout(20)
            try:
                line.connect(str(places.CONTROL))
                line.sendall(json.dumps({"op": op, **facts}).encode() + b"\n")
                reply = json.loads(line.makefile().readline() or "{}")
            except OSError as error:
                raise LabError(f"storage: {op}: {error}") from error
        if "ok" not in reply:
            raise LabError(f"storage: {op}: {reply.get('failed', 'no answer')}")
        return reply["ok"]

    def table(self, volume: str = "vol1") -> dict[str, Any]:
        """Return mode, version, reserved_by, attached (hosts on record) and `here` (what each host has now)."""
        found: dict[str, Any] = self.control("table")[volume]
        return found

    def holder(self, volume: str = "vol1") -> str | None:
        """Return the host on record as the holder of a volume, dead or alive."""
        host: str | None = self.table(volume)["reserved_by"]
        return host

    def cut(self, host: str, how: str = "hang") -> None:
        """Cut a host off the storage: its IO hangs or fails, and it hears nothing of a preempt."""
        self.control("cut", host=host, how=how)

    def heal(self, host: str) -> None:
        """Connect a host to the storage again."""
        self.control("cut", host=host, how=None)

    def stall(self, volume: str = "vol1", host: str = "*") -> None:
        """Let reads and writes of a volume block; a preempt still ends those of the old holder with EIO."""
        self.control("stall", volume=volume, host=host, on=True)

    def resume(self, volume: str = "vol1", host: str = "*") -> None:
        """Let the reads and writes of a volume go on."""
        self.control("stall", volume=volume, host=host, on=False)

    def io_delay(self, seconds: float | None, volume: str = "vol1") -> None:
        """Set how long after an attach IO is enabled; None is never."""
        self.control("io_delay", volume=volume, seconds=seconds)

    def first_io(self, seconds: float, volume: str = "vol1") -> None:
        """Set how long reads and writes wait for the first enable before they fail (30 s)."""
        self.control("first_io", volume=volume, seconds=seconds)

    def health(self, text: str | None, volume: str = "vol1", host: str = "*") -> None:
        """Let a live volume be in another condition of lab.health.HEALTH, with what that means for its IO; None ends that."""
        self.control("health", volume=volume, host=host, text=text)

    def client(self, host: str, state: int | None) -> None:
        """Let a host's client module be in a state (0 to 4; 1 is ready), or its tree in /proc be absent (None)."""
        self.control("client", host=host, state=state)

    def entry(self, host: str, name: str, kind: str | None = "hidden") -> None:
        """Add an entry to a host's volumes that nobody asked for: hidden, recovery, shadow; None takes it away."""
        self.control("entry", host=host, name=name, kind=kind)

    def configure(self, era: str | None = None, **habits: object) -> None:
        """Let the commands answer as an era of lab.eras.ERAS, or with single habits of lab.eras.Era changed."""
        self.control("configure", era=era, **habits)

    def management(self, **habits: object) -> None:
        """Change single habits of the management of 3.x, which are those of lab.management.Habits."""
        self.control("management", **habits)

    def server(self, name: str, state: str) -> None:
        """Let a management server (mgmt-1, mgmt-2) be `up`, `down` (refuses), `hang`, or answer with an HTTP code."""
        self.control("server", name=name, state=state)

    def wishes(self) -> dict[str, dict[str, Any]]:
        """Return what the management wants attached: HOST/VOLUME to mode, version, action, force, status."""
        found: dict[str, dict[str, Any]] = self.control("wishes")
        return found

    def reset(self) -> None:
        """Behave well again: no lies, no delays, no failures; attachments and reservations stay."""
        self.control("reset")

    def fresh(self) -> None:
        """Behave well again, with nothing attached anywhere and every volume free; for servers that are on."""
        self.control("fresh")

    def override(self, host: str, text: str | None, volume: str = "vol1") -> None:
        """Replace a host's status.json as it is, truncated or nonsense; None ends that."""
        self.control("override", host=host, volume=volume, text=text)

    def defect(self, host: str, kind: str | None, volume: str = "vol1") -> None:
        """Spoil a host's status.json in one of the ways of lab.statusfiles.DEFECTS; None ends that."""
        self.control("defect", host=host, volume=volume, kind=kind)

    def fail(self, result: dict[str, str] | None, volume: str = "vol1") -> None:
        """Let commands on a volume answer this `{status, error}` and do nothing ({}: leave it out); None ends that."""
        self.control("fail", volume=volume, result=result)

    def events(self, *kinds: str) -> list[Event]:
        """Return the log, oldest first: of some kinds, or all."""
        lines = places.EVENTS.read_text().splitlines() if places.EVENTS.exists() else []
        return [event for event in map(_event, lines) if not kinds or event.kind in kinds]

    def moves(self, volume: str = "vol1", since: float = 0.0, before: float = math.inf) -> list[str]:
        """Tell who took a volume and who release it, in order: `srv-a plain`, `srv-a detach`, `srv-b preempt`, ..."""
        events = [event for event in self.events("attach", "detach") if event["volume"] == volume and event["how"] != "again"]
        return [f"{event['host']} {_how(event)}" for event in events if since <= event.boottime < before]

    def overlaps(self, volume: str = "vol1") -> list[Overlap]:
        """Return every moment at which two hosts might write to a volume that one of them held exclusively."""
        return overlaps(event for event in self.events("grant", "loss") if event["volume"] == volume)


class Overlap(NamedTuple):
    """A moment at which more than one host might write; the modes by host."""

    boottime: float
    holders: dict[str, str]


def overlaps(events: Iterable[Event]) -> list[Overlap]:
    """Replay the grants and losses of one volume. The log's order is the order in which the storage did it."""
    holders: dict[str, str] = {}
    found = []
    for event in events:
        if event.kind == "loss":
            holders.pop(event["host"], None)
            continue
        holders[event["host"]] = event["mode"]
        if len(holders) > 1 and EXCLUSIVE in holders.values():
            found.append(Overlap(event.boottime, dict(holders)))
    return found


def _how(event: Event) -> str:
    if event.kind == "attach":
        return str(event["how"])
    return "forced" if event["force"] else "detach"


def _event(line: str) -> Event:
    facts = json.loads(line)
    return Event(facts.pop("event"), facts.pop("boottime"), facts.pop("monotonic"), facts)


def clean() -> None:
    """Take away the loop devices and the mount of the views, once no process is left."""
    disk = places.DISK_LINK.resolve() if places.DISK_LINK.is_symlink() else places.DISK
    loops.keep_udev_off(None)
    # A server's own loop devices on the shared directory name their file as the server sees it: they are found by inode.
    for image in (disk / "shared").glob("*"):
        for line in run(("losetup", "--associated", str(image)), check=False).stdout.splitlines():
            run(("losetup", "--detach", line.partition(":")[0]), check=False)
    for device, _ in loops.mine(disk):
        run(("losetup", "--detach", device), check=False)
    run(("umount", "--lazy", str(disk / "views")), check=False)
    until(lambda: not loops.mine(disk), within=5, what="the lab's loop devices are gone")
