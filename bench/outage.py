"""How long a power cut takes the service away (`make bench-outage`, root): medians of five, split by what took the time."""

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import databases, timeline
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.databases import Database
from lab.server import Server
from lab.steady import boottime

ADVERTS = (0.2, 0.1)
RUNS = 5
LOGS = {"actions": "/var/log/nvkeep/actions.log", "event_handler": "/var/log/nvkeep/event_handler.log"}
BEFORE, AFTER = 2.0, 1.0  # seconds of writing before the cut and after the return


@dataclass(frozen=True)
class Run:
    """One power cut: what the client saw, and when each stage was over, in seconds since the cut."""

    gap: float
    ended: dict[str, float]
    lost: int


def measure(advert: float) -> list[Run]:
    """Cut the power of whichever server is active, several times in one lab."""
    one = Database()
    text = databases.config((one,), one.hosts, timing=f"advert: {advert:g}, reconcile: 10")
    with Lab(one.hosts, config=text, prepare=databases.enable) as lab:
        return [cut(lab, one) for _ in range(RUNS)]


def cut(lab: Lab, one: Database) -> Run:
    """Cut the power once, and bring the server back afterwards."""
    active, heir = placed(lab, one)
    writer = lab.writer(one.address, one.port).start()
    time.sleep(BEFORE)
    crash, offset = boottime(), time.time() - boottime()
    active.power_cut()
    until(lambda: writer.result().first_ack_after(crash + 0.2) is not None, within=60, what="the service did not come back")
    until(lambda: one.serves(heir), within=60, what=f"{heir.name} does not serve")
    time.sleep(AFTER)
    result = writer.stop()
    answered = result.first_ack_after(crash + 0.2) or crash
    logs = {name: heir.read(path) for name, path in LOGS.items()}
    ended = {stage.what: stage.ended for stage in timeline.stages(logs, crash + offset, answered + offset)}
    lost = writer.lost()
    active.power_on()
    return Run(result.longest_gap_seconds, ended, lost)


def placed(lab: Lab, one: Database) -> tuple[Server, Server]:
    """Wait until one server serves and the other stands by; give both."""
    servers = list(lab)
    until(lambda: sum(map(one.serves, servers)) == 1, within=60, what="no server serves, or both")
    servers.sort(key=one.serves, reverse=True)
    until(lambda: stands_by(servers[1]), within=60, what=f"{servers[1].name} is not ready", every=0.5)
    return servers[0], servers[1]


def stands_by(server: Server) -> bool:
    """Return whether a server could take over now."""
    done = server.run(("nvkeep", "status"), check=False)
    return done.returncode == 0 and "role BACKUP" in done.stdout


def tell(title: str, runs: list[Run]) -> None:
    """Print the medians: when each stage was over, and how long it took."""
    gaps = [run.gap for run in runs]
    print(f"\n{title}: outage {statistics.median(gaps):.2f} s ({min(gaps):.2f} to {max(gaps):.2f}, {len(runs)} power cuts)")
    before = 0.0
    for what in runs[0].ended:
        ends = [run.ended[what] for run in runs if what in run.ended]
        over = statistics.median(ends)
        print(f"  {over:6.2f} s  (+{max(0.0, over - before):.2f})  {what}")
        before = max(before, over)
    print(f"  lost rows: {sum(run.lost for run in runs)}")


def main() -> None:
    """Measure every advert interval."""
    for advert in ADVERTS:
        tell(f"advert {advert:g} s", measure(advert))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"bench: {error}")
