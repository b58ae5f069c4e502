"""What one host sees of one volume, from its attach to its detach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.gate import Gate
from lab.health import BOOTING, HEALTH, LIVE, TOMA_ERROR, Health
from lab.reservations import SHARED_READ_ONLY, Reservation

if TYPE_CHECKING:
    from pathlib import Path

# IO before the first enable is retried this long and then fails; after it, for ever (nvmesh.md, 3).
FIRST_IO_WITHIN = 30.0
READY = 1


@dataclass(slots=True)
class Host:
    """One server as the storage sees it.

    `cut` is None, "fail" or "hang"; `state` is the number of the client module's state, None while its tree is absent.
    """

    name: str
    cut: str | None = None
    state: int | None = 0

    @property
    def ready(self) -> bool:
        """Whether the client module works."""
        return self.state == READY


@dataclass(slots=True)
class Volume:
    """One volume: its backing image, its reservation, and how it is told to misbehave."""

    name: str
    image: Path
    descriptor: int
    size: int
    reservation: Reservation = field(default_factory=Reservation)
    gate: Gate = field(default_factory=Gate)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    io_delay: float | None = 0.0  # None: IO is never enabled
    first_io: float = FIRST_IO_WITHIN
    stalled: set[str] = field(default_factory=set)  # hosts whose IO blocks; "*" is all of them
    health: dict[str, str] = field(default_factory=dict)  # what hosts ("*": all) see of a live volume
    highest: int = 0  # the highest reservation version any target was told


@dataclass(slots=True, eq=False)
class Attachment:
    """One attach of one volume by one host. A later attach is another one, so nothing stale ever works again."""

    host: Host
    volume: Volume
    mode: str
    version: int
    key: str
    loop: str | None = None
    enabled: bool = False
    preempted: bool = False
    detaching: bool = False  # asked to go, and waiting for the last opener
    granted: bool = False  # may write, by the storage's own word; every change is in the log
    gone: bool = False  # detached by force, or the host lost its power
    refused: bool = False  # a write was refused already, which is logged once
    writes: int = 0
    last_write: float | None = None

    @property
    def stalled(self) -> bool:
        """Whether the IO of this host on this volume blocks at present."""
        return bool({"*", self.host.name} & self.volume.stalled)

    @property
    def sentence(self) -> str:
        """What a client that is not preempted says of the volume."""
        if not self.enabled:
            return BOOTING
        if self.stalled or self.host.cut:
            return TOMA_ERROR
        told = self.volume.health
        return told.get(self.host.name, told.get("*", LIVE))

    @property
    def health(self) -> Health:
        """What that sentence means."""
        return HEALTH[self.sentence]

    @property
    def connecting(self) -> bool:
        """Whether the loop device is being made: the kernel looks for partitions meanwhile, nobody else can read."""
        return self.loop is None

    @property
    def knows_preempted(self) -> bool:
        """Whether the host has learnt that it was preempted; one cut off from the storage has not."""
        return self.preempted and self.host.cut is None

    @property
    def alive(self) -> bool:
        """Whether IO may go through now."""
        return not (self.gone or self.preempted or self.host.cut) and (self.enabled or self.connecting)

    @property
    def decided(self) -> bool:
        """Whether IO has an answer now, yes or no; else it waits."""
        if self.gone or self.host.cut == "fail":
            return True
        if self.host.cut == "hang":
            return False
        return self.preempted or self.connecting or (self.enabled and not self.stalled and self.health.reads)

    @property
    def patience(self) -> float | None:
        """How long IO waits for an answer, in seconds; None is for ever."""
        return None if self.enabled else self.volume.first_io

    @property
    def writable(self) -> bool:
        """Whether this attachment is for writing at all."""
        return self.mode != SHARED_READ_ONLY

    @property
    def writes_pass(self) -> bool:
        """Whether a write may go through now."""
        return self.alive and self.granted and self.health.writes
