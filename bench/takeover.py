"""How long a service is away (`make bench-takeover`, root): nvkeep beside the floor of lab/floor, with the same timing.

Both have a lab of their own, up at the same time, and their events take turns, so that the machine's speed, which changes, is
the same for both. Medians of several runs: the longest gap that a client saw, when each stage was over, and when the last
address was up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar, TypeVar

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import databases, floor, timeline
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.databases import Database
from lab.server import Server
from lab.steady import boottime

LOGS = {"actions": "/var/log/nvkeep/actions.log", "event_handler": "/var/log/nvkeep/event_handler.log"}
BEFORE, AFTER = 2.0, 1.0  # seconds of writing before the event and after the return
FLOOR, NVKEEP, CUT, MOVE = "floor", "nvkeep", "power cut", "move"
LANE = "NVKEEP_LAB_LANE"
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One event: the client's longest gap, when each stage was over and the last address up, in seconds since; lost rows.

    `trace` has a line for whatever the logs of the server that took over say of it, with the seconds since.
    """

    gap: float
    stages: dict[str, float]
    all_up: float
    lost: int
    trace: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What was measured under which name; `advert` in seconds."""

    tool: str
    event: str
    services: int
    advert: float
    runs: tuple[Run, ...]

    @property
    def gap(self) -> float:
        """The median of the longest gaps."""
        return statistics.median(run.gap for run in self.runs)

    @property
    def all_up(self) -> float:
        """The median of when all were up."""
        return statistics.median(run.all_up for run in self.runs)

    def stages(self) -> Iterator[tuple[str, float]]:
        """Give each stage and the median of when it was over."""
        for what in self.runs[0].stages:
            yield what, statistics.median(run.stages[what] for run in self.runs if what in run.stages)


class Pair:
    """A lab of two servers for one tool, in a process of its own, for the lab is one a process."""

    up: ClassVar[tuple[Pair, ExitStack]]

    def __init__(self, lab: Lab, served: Sequence[Database], tool: str) -> None:
        self.lab, self.served, self.tool = lab, served, tool

    @classmethod
    def open(cls, tool: str, services: int, advert: float) -> None:
        """Bring the servers up, with all services on one of them."""
        served = tuple(Database() if n == 1 else Database(f"s{n}", n, bare=True) for n in range(1, services + 1))
        text = databases.config(served, served[0].hosts, timing=f"advert: {advert:g}, reconcile: 10")
        prepare = partial(floor.enable, served=served) if tool == FLOOR else databases.enable
        undo = ExitStack()
        lab = undo.enter_context(Lab(served[0].hosts, volumes=[one.volume for one in served], config=text, prepare=prepare))
        cls.up = cls(lab, served, tool), undo
        cls.up[0].gather()
        cls.up[0].placed()

    @classmethod
    def event(cls, event: str) -> Run:
        """Let an event happen once, and wait until the other server stands by again."""
        pair, _ = cls.up
        run = pair.happens(event)
        pair.placed()
        return run

    @classmethod
    def close(cls) -> None:
        """Take the lab away, if there is one."""
        if hasattr(cls, "up"):
            cls.up[1].close()

    def gather(self) -> None:
        """Bring all services to one server: two that boot at once share them."""
        if len(self.served) == 1:
            return
        first, second = self.lab
        second.power_cut()
        until(
            lambda: all(one.serves(first) for one in self.served),
            within=120, what=f"{first.name} does not serve", every=0.5,
        )  # fmt: skip
        second.power_on()

    def placed(self) -> tuple[Server, Server]:
        """Wait until one server has every service and the other stands by; give both."""
        servers = list(self.lab)
        until(
            lambda: any(all(one.serves(server) for one in self.served) for server in servers),
            within=120, what="no server has every service", every=0.5,
        )  # fmt: skip
        servers.sort(key=self.served[0].serves, reverse=True)
        until(lambda: self.stands_by(servers[1]), within=90, what=f"{servers[1].name} is not ready", every=0.5)
        return servers[0], servers[1]

    def stands_by(self, server: Server) -> bool:
        """Return whether a server could take over now."""
        if self.tool == NVKEEP:
            done = server.run(("nvkeep", "status"), check=False)
            return done.returncode == 0 and done.stdout.count("role BACKUP") == len(self.served)
        lines = server.read(LOGS["event_handler"]).splitlines()
        last = [next((line for line in reversed(lines) if f" {one.name}@" in line), "") for one in self.served]
        return all(" BACKUP " in line for line in last)

    def happens(self, event: str) -> Run:
        """Let it happen, and bring the server back afterwards."""
        active, heir = self.placed()
        first = self.served[0]
        writer = self.lab.writer(first.address, first.port).start()
        time.sleep(BEFORE)
        begun, offset = boottime(), time.time() - boottime()
        if event == CUT:
            active.power_cut()
        else:  # the servers have no ssh
            active.run(floor.GIVE if self.tool == FLOOR else ("nvkeep", "move", first.name, "--force"), timeout=90)
        until(
            lambda: all(one.serves(heir) for one in self.served),
            within=90, what=f"{heir.name} does not serve", every=0.2,
        )  # fmt: skip
        until(
            lambda: writer.result().first_ack_after(boottime() - 0.5) is not None,
            within=60, what="the client cannot write",
        )  # fmt: skip
        time.sleep(AFTER)
        result = writer.stop()
        gap_at, gap = max(((at, length) for at, length in result.gaps if at + length > begun), key=lambda gap: gap[1])
        logs = {name: heir.read(path) for name, path in LOGS.items()}
        stages = {stage.what: stage.ended for stage in timeline.stages(logs, begun + offset, gap_at + gap + offset)}
        lines = timeline.trace(logs, begun + offset, gap_at + gap + offset)
        run = Run(gap, stages, all_up(logs["actions"], self.served, begun + offset), writer.lost(), lines)
        if event == CUT:
            active.power_on()
        return run


def all_up(log: str, served: Sequence[Database], begun: float) -> float:
    """Find when the last service had its address."""
    ended = (timeline.first(log, begun, f" {one.name}: address ", "converged") for one in served)
    return max((moment - begun for moment in ended if moment is not None), default=0.0)


def measured(tools: Sequence[str], services: int, advert: float, runs: int) -> list[Case]:
    """Cut the power of whoever serves, several times, one tool after the other; where there is one service, move it as well."""
    with ExitStack() as undo:
        lanes = {tool: undo.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn"))) for tool in tools}
        for tool, process in lanes.items():
            undo.callback(_wait, process, Pair.close)
            with named(f"-{tool}"):
                _wait(process, Pair.open, tool, services, advert)
        cases = []
        for event in (CUT, MOVE) if services == 1 else (CUT,):
            rounds = [{tool: _wait(process, Pair.event, event) for tool, process in lanes.items()} for _ in range(runs)]
            cases += [Case(tool, event, services, advert, tuple(happened[tool] for happened in rounds)) for tool in tools]
        return cases


@contextmanager
def named(lane: str) -> Iterator[None]:
    """Start processes whose lab has a name of its own, which they read as they start."""
    before = os.environ.pop(LANE, "")
    os.environ[LANE] = lane
    try:
        yield
    finally:
        os.environ[LANE] = before


def _wait(process: ProcessPoolExecutor, do: Callable[..., T], *words: object) -> T:
    return process.submit(do, *words).result()


def tell(case: Case) -> None:
    """Print the medians: when each stage was over, and how long it took."""
    gaps, before = [run.gap for run in case.runs], 0.0
    print(f"\n{case.event}, {case.services} on the pair, {case.tool}: {case.gap:.3f} s ({min(gaps):.3f} to {max(gaps):.3f})")
    for what, over in case.stages() if case.services == 1 else [("every address is up", case.all_up)]:
        print(f"  {over:6.3f} s  (+{max(0.0, over - before):.3f})  {what}")
        before = max(before, over)
    print(f"  lost rows: {sum(run.lost for run in case.runs)}")


def compare(cases: Sequence[Case]) -> None:
    """Print nvkeep beside the floor."""
    found = {(case.event, case.services, case.tool): case for case in cases}
    print("\n| event | services | floor | nvkeep | ratio |\n| --- | --- | --- | --- | --- |")
    for (event, services, tool), case in found.items():
        if tool == NVKEEP and (below := found.get((event, services, FLOOR))):
            print(f"| {event} | {services} | {below.gap:.3f} s | {case.gap:.3f} s | {case.gap / below.gap:.2f} |")


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="+", default=[1, 5, 20], metavar="N")
    parser.add_argument("--tool", nargs="+", default=[FLOOR, NVKEEP], choices=[FLOOR, NVKEEP])
    parser.add_argument("--advert", type=float, default=0.1, metavar="SECONDS")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    words = parser.parse_args()
    cases: list[Case] = []
    for services in words.services:
        for case in measured(words.tool, services, words.advert, words.runs):
            tell(case)
            cases.append(case)
    compare(cases)
    if words.json:
        words.json.write_text(json.dumps([asdict(case) for case in cases], indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"bench: {error}")
