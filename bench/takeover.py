"""How long a service is away (`make bench`, root): nvkeep beside the floor of lab/floor, with the same keepalived timing.

Medians of several runs: the longest gap that a client saw, when each stage was over, and when the last service was up.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

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


@dataclass(frozen=True)
class Run:
    """One event: the client's longest gap, when each stage was over and the last service up, in seconds since; lost rows."""

    gap: float
    stages: dict[str, float]
    all_up: float
    lost: int


@dataclass(frozen=True)
class Case:
    """What was measured under which name."""

    tool: str
    event: str
    services: int
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


def measured(tool: str, services: int, advert: float, runs: int) -> Iterator[Case]:
    """Cut the power of whoever serves, several times in one lab; where there is one service, move it as well."""
    served = tuple(Database() if n == 1 else Database(f"s{n}", n, bare=True) for n in range(1, services + 1))
    text = databases.config(served, served[0].hosts, timing=f"advert: {advert:g}, reconcile: 10")
    prepare = partial(floor.enable, served=served) if tool == FLOOR else databases.enable
    with Lab(served[0].hosts, volumes=[one.volume for one in served], config=text, prepare=prepare) as lab:
        if services > 1:
            gather(lab, served)
        for event in (CUT, MOVE) if services == 1 else (CUT,):
            yield Case(tool, event, services, tuple(happens(lab, served, tool, event) for _ in range(runs)))


def gather(lab: Lab, served: Sequence[Database]) -> None:
    """Bring all services to one server: two that boot at once share them."""
    first, second = lab
    second.power_cut()
    until(lambda: all(one.serves(first) for one in served), within=120, what=f"{first.name} does not serve", every=0.5)
    second.power_on()


def happens(lab: Lab, served: Sequence[Database], tool: str, event: str) -> Run:
    """Let the event happen once, and bring the server back afterwards."""
    active, heir = placed(lab, served, tool)
    first = served[0]
    writer = lab.writer(first.address, first.port).start()
    time.sleep(BEFORE)
    begun, offset = boottime(), time.time() - boottime()
    if event == CUT:
        active.power_cut()
    else:
        active.run(
            floor.GIVE if tool == FLOOR else ("nvkeep", "move", first.name, "--force"), timeout=90
        )  # the servers have no ssh
    until(lambda: all(one.serves(heir) for one in served), within=90, what=f"{heir.name} does not serve", every=0.2)
    until(lambda: writer.result().first_ack_after(boottime() - 0.5) is not None, within=60, what="the client cannot write")
    time.sleep(AFTER)
    result = writer.stop()
    gap_at, gap = max(((at, length) for at, length in result.gaps if at + length > begun), key=lambda gap: gap[1])
    logs = {name: heir.read(path) for name, path in LOGS.items()}
    found = timeline.stages(logs, begun + offset, gap_at + gap + offset)
    lost = writer.lost()
    if event == CUT:
        active.power_on()
    return Run(gap, {stage.what: stage.ended for stage in found}, all_up(logs["actions"], served, begun + offset), lost)


def all_up(log: str, served: Sequence[Database], begun: float) -> float:
    """Find when the last service had its address."""
    ended = (timeline.first(log, begun, f" {one.name}: address ", "converged") for one in served)
    return max((moment - begun for moment in ended if moment is not None), default=0.0)


def placed(lab: Lab, served: Sequence[Database], tool: str) -> tuple[Server, Server]:
    """Wait until one server has every service and the other stands by; give both."""
    servers = list(lab)
    until(
        lambda: any(all(one.serves(server) for one in served) for server in servers),
        within=120, what="no server has every service", every=0.5,
    )  # fmt: skip
    servers.sort(key=served[0].serves, reverse=True)
    until(lambda: stands_by(servers[1], served, tool), within=60, what=f"{servers[1].name} is not ready", every=0.5)
    return servers[0], servers[1]


def stands_by(server: Server, served: Sequence[Database], tool: str) -> bool:
    """Return whether a server could take over now."""
    if tool == NVKEEP:
        done = server.run(("nvkeep", "status"), check=False)
        return done.returncode == 0 and done.stdout.count("role BACKUP") == len(served)
    lines = server.read(LOGS["event_handler"]).splitlines()
    last = [next((line for line in reversed(lines) if f" {one.name}@" in line), "") for one in served]
    return all(" BACKUP " in line for line in last)


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
        for tool in words.tool:
            for case in measured(tool, services, words.advert, words.runs):
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
