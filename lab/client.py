"""The writing client: numbered rows through the floating address, each acknowledged or not, with times.

`Writer` starts it as a process of its own in the lab's network (`python -m lab.client`). A row counts as
acknowledged only when its commit returned; a row whose fate is unknown is given up and its number never used again.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from lab import cgroups, places, steady
from lab.commands import LabError, run, until
from lab.network import FLOATING
from lab.steady import boottime

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

    from lab.network import Network

# A gap is longer than this many steady seconds between two acknowledged rows, of which there should be 50 a second.
GAP = 0.25


def is_gap(at: float, after: float) -> bool:
    """Return whether so long without a row is more than the machine's own stumbling."""
    return after - at > GAP and steady.seconds(at, after) > GAP


@dataclass(frozen=True, slots=True)
class Result:
    """What the client saw; times are CLOCK_BOOTTIME, as in the storage's log."""

    acks: tuple[tuple[int, float], ...]
    started: float
    stopped: float
    gaps: tuple[tuple[float, float], ...] = field(init=False)

    def __post_init__(self) -> None:
        times = [when for _, when in self.acks]
        edges = pairwise([*times[:1], *times, self.stopped])
        object.__setattr__(self, "gaps", tuple((at, after - at) for at, after in edges if is_gap(at, after)))

    @property
    def acknowledged(self) -> int:
        """How many rows were acknowledged."""
        return len(self.acks)

    @property
    def longest_gap_seconds(self) -> float:
        """The longest time without an acknowledged row, from the first one to the stop; 0 when none stands out."""
        return max((length for _, length in self.gaps), default=0.0)

    @property
    def longest_steady_gap(self) -> float:
        """The same in steady seconds: what a bound is held against."""
        return max((steady.seconds(at, at + length) for at, length in self.gaps), default=0.0)

    def longest_gap_between(self, begin: float, end: float) -> float:
        """Return the longest, in steady seconds, of the gaps that lay, wholly or in part, between two moments."""
        return max(
            (steady.seconds(at, at + length) for at, length in self.gaps if at < end and at + length > begin), default=0.0
        )

    def first_ack_after(self, moment: float) -> float | None:
        """Return when the first row after a moment was acknowledged."""
        return next((when for _, when in self.acks if when > moment), None)


class Writer:
    """Writes rows until it is stopped; usable as a context manager."""

    def __init__(self, network: Network, address: str = FLOATING, port: int = 5432) -> None:
        self.network = network
        self.target = (address, str(port))
        self.started = boottime()
        self.stopped: float | None = None
        # One file for each writer: a second one begins with nothing acknowledged.
        self.file = places.DISK / f"client-{int(self.started * 1e6)}.acks"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, verb: str, address: str) -> tuple[str, ...]:
        """Return the words that run the process behind it."""
        program = (sys.executable, "-m", "lab.writing")
        return (*self.network.enter(), *program, verb, address, self.target[1], str(self.file))

    def start(self, within: float | None = 30) -> Self:
        """Start writing and wait for the first acknowledged row (within=None: do not wait)."""
        self.started = boottime()
        self.file.touch()
        with self.file.with_suffix(".log").open("ab") as output:
            self._process = cgroups.spawn(cgroups.TOOLS, self.command("write", self.target[0]), output=output)
        if within is not None:
            until(lambda: self.file.stat().st_size > 0, within=within, what=f"a first row; see {self.file}")
        return self

    def stop(self) -> Result:
        """Stop writing and return what was seen."""
        if self._process is None:
            raise LabError("the writer was not started")
        self.stopped = boottime()
        self.reap()
        return self.result()

    def reap(self) -> None:
        """End the process, if it has not ended yet."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)

    def result(self) -> Result:
        """Return what was seen so far; also while writing."""
        lines = self.file.read_text().splitlines(keepends=True)
        acks = (line.split() for line in lines if line.endswith("\n"))
        until_now = self.stopped or boottime()
        return Result(tuple((int(number), float(when)) for number, when in acks), self.started, until_now)

    def lost(self, address: str | None = None, within: float = 30) -> int:
        """Count acknowledged rows that are missing in the database now; it must be 0."""
        argv = self.command("check", address or self.target[0])
        deadline = time.monotonic() + within
        while (done := run(argv, timeout=within + 5, check=False)).returncode:
            if time.monotonic() > deadline:
                raise LabError(f"the database cannot be asked: {done.stderr.strip()[-500:]}")
        return int(done.stdout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        if self.stopped is None:
            self.stop()
