"""The sentences of `status` in status.json, and what each means for reads and writes (nvmesh.md, 2.3). Pure."""

from __future__ import annotations

from typing import NamedTuple


class Health(NamedTuple):
    """The low byte of dbg, io_enabled, and whether reads and writes go through; what may not go through waits."""

    low: int
    io_enabled: int
    reads: bool = True
    writes: bool = True


LIVE = "Live, with IO"
TOMA_ERROR = "Live, no IO, Toma Error"
BOOTING = "Booting, no IO"
HEALTH = {
    LIVE: Health(0x00, 1),
    "Live, with IO, no protection": Health(0x00, 1),
    "Live, User Requested Read-Only": Health(0x00, 1, writes=False),
    "Live, Degraded Read-Only": Health(0x93, 0, writes=False),
    "Live, Only recovery": Health(0x91, 0, reads=False, writes=False),
    "Live, no IO, Error": Health(0x11, 0, reads=False, writes=False),
    TOMA_ERROR: Health(0x12, 0, reads=False, writes=False),
    "Live, no IO, partial Error": Health(0xA1, 0, reads=False, writes=False),
    BOOTING: Health(0x80, 0, reads=False, writes=False),
    "Reviving, no IO": Health(0x80, 0, reads=False, writes=False),
    "Cleanup state, no IO": Health(0x80, 0, reads=False, writes=False),
    "Cleanup done, no IO": Health(0x80, 0, reads=False, writes=False),
    "Suspending, no IO": Health(0x80, 0, reads=False, writes=False),
    "Unknown???, no IO": Health(0x80, 0, reads=False, writes=False),
}
