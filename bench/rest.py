"""What nvkeep costs at rest, and what a command costs that finds nothing to do (`make bench-rest`, root).

Processor time and memory of the agent, of keepalived and of systemd, and lines in the journal, on the server that serves and on
the one that stands by; then wall and processor time of one `apply`, `status` (both hosts, or this one), `plan` and `check`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import databases, remote
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.databases import Database
from lab.server import Server

TICKS = os.sysconf("SC_CLK_TCK")
HOUR = 3600.0
SETTLED = 310.0  # an address is announced again and again for five minutes after it came up
LOOKED_ON = 120.0
RUNS = 11  # of each command
REFERENCE = ("python3", "-IS", "-c", "pass")
TYPED = ("apply", "status", "status --local", "plan", "check", "apply --quiet --overdue")
VERBS = (REFERENCE, *(("nvkeep", *words.split()) for words in TYPED))
ONCE = """
import resource, subprocess, sys, time
wall, spent = [], []
for _ in range(int(sys.argv[1])):
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall.append(time.perf_counter() - begun)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
print(sorted(wall)[len(wall) // 2], sorted(spent)[len(spent) // 2])
"""


@dataclass(frozen=True)
class Rest:
    """One server at rest: processor seconds an hour by process, MiB of the agent, journal lines an hour by who wrote them."""

    services: int
    role: str
    seconds: dict[str, float]
    resident: float
    own: float
    lines: dict[str, float]


@dataclass(frozen=True)
class Verb:
    """One command that finds nothing to do: median seconds."""

    services: int
    words: str
    wall: float
    spent: float


def bare(number: int) -> Database:
    """Give a service of volume, mount and address, with a virtual router id of its own."""
    return Database(f"s{number}", number, bare=True, more=(f"router_id: {number}",))


def prepare(server: Server) -> None:
    """Give a server nvkeep and sshd: `nvkeep status` asks the other host."""
    databases.enable(server)
    remote.enable(server, Database().hosts)


def watched(server: Server) -> dict[str, int]:
    """Name the processes that are there for nvkeep, and the one that it asks."""
    shown = server.run(("systemctl", "show", "--property=MainPID", "--value", "nvkeep.service")).stdout
    return {"agent": int(shown), "keepalived": int(server.read("/run/vrrp.pid")), "systemd": 1}


def spent(server: Server, pid: int) -> float:
    """Give the processor seconds of a process, and of those that it has started and that have ended."""
    words = server.run(("cat", f"/proc/{pid}/stat")).stdout.rpartition(")")[2].split()
    return sum(map(int, words[11:15])) / TICKS


def lines(server: Server, since: float) -> dict[str, int]:
    """Count the lines of the journal by who wrote them."""
    words = ("journalctl", "--no-pager", "-o", "json", "--output-fields=SYSLOG_IDENTIFIER", f"--since=@{since:.0f}")
    counts: dict[str, int] = {}
    for line in server.run(words, timeout=60).stdout.splitlines():
        who = str(json.loads(line).get("SYSLOG_IDENTIFIER", "?"))
        counts[who] = counts.get(who, 0) + 1
    return counts


def resting(servers: dict[str, Server], services: int, seconds: float) -> Iterator[Rest]:
    """Let time pass, and see what was spent meanwhile."""
    pids = {role: watched(server) for role, server in servers.items()}
    before = {role: {name: spent(servers[role], pid) for name, pid in known.items()} for role, known in pids.items()}
    since, begun = time.time(), time.monotonic()
    time.sleep(seconds)
    passed = (time.monotonic() - begun) / HOUR
    for role, server in servers.items():
        after = {name: spent(server, pid) - before[role][name] for name, pid in pids[role].items()}
        memory = server.run(("cat", f"/proc/{pids[role]['agent']}/smaps_rollup")).stdout
        yield Rest(
            services,
            role,
            {name: used / passed for name, used in after.items()},
            kilobytes(memory, "Rss") / 1024,
            kilobytes(memory, "Pss") / 1024,
            {who: count / passed for who, count in sorted(lines(server, since).items())},
        )


def kilobytes(text: str, key: str) -> int:
    """Read one line of smaps_rollup."""
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{key}:"))


def verbs(server: Server, services: int, runs: int) -> Iterator[Verb]:
    """Type each command several times where the services are; the first is a bare interpreter, for reference."""
    server.write("/root/once.py", ONCE)
    for words in VERBS:
        done = server.run(("python3", "/root/once.py", str(runs), *words), timeout=300)
        wall, used = map(float, done.stdout.split())
        yield Verb(services, " ".join(words), wall, used)


def measured(services: int, settle: float, seconds: float, runs: int) -> tuple[list[Rest], list[Verb]]:
    """Bring up a pair with so many services, wait until it rests, and look."""
    served = [bare(number) for number in range(1, services + 1)]
    text = databases.config(served, served[0].hosts, timing="reconcile: 10")
    with Lab(served[0].hosts, volumes=[one.volume for one in served], config=text, prepare=prepare) as lab:
        servers = list(lab)
        until(lambda: gathered(served, servers), within=300, what="no server has every service", every=1.0)
        servers.sort(key=partial(all_serve, served), reverse=True)
        time.sleep(settle)
        rests = list(resting({"active": servers[0], "standby": servers[1]}, services, seconds))
        return rests, list(verbs(servers[0], services, runs))


def gathered(served: Iterable[Database], servers: Iterable[Server]) -> bool:
    """Return whether one server has every service; move to the first what the other came up with."""
    first, second = servers
    for one in served:
        if one.serves(second) and not all_serve(served, second):
            second.run(("nvkeep", "move", one.name, "--force"), timeout=90, check=False)
    return all_serve(served, first) or all_serve(served, second)


def all_serve(served: list[Database], server: Server) -> bool:
    """Return whether a server has every service."""
    return all(one.serves(server) for one in served)


def tell(rest: Rest) -> None:
    """Print one server; what systemd uses includes the timer's passes, which it starts."""
    shares = ", ".join(f"{name} {used:.1f} s ({used / HOUR:.2%})" for name, used in rest.seconds.items())
    print(f"\n{rest.services} at rest, {rest.role}: processor time an hour: {shares}")
    print(f"  memory of the agent: {rest.resident:.0f} MiB resident, {rest.own:.0f} MiB its own share")
    print(f"  journal lines an hour: {', '.join(f'{who} {count:.0f}' for who, count in rest.lines.items()) or 'none'}")


def rows(numbers: Iterable[int], settle: float, seconds: float, runs: int) -> dict[str, list[dict[str, object]]]:
    """Measure and print pairs with so many services each."""
    kept: dict[str, list[dict[str, object]]] = {"rest": [], "verbs": []}
    for services in numbers:
        rests, typed = measured(services, settle, seconds, runs)
        for rest in rests:
            tell(rest)
        for verb in typed:
            print(f"  {verb.words}: {verb.wall * 1000:.0f} ms, processor {verb.spent * 1000:.0f} ms")
        kept["rest"] += map(asdict, rests)
        kept["verbs"] += map(asdict, typed)
    return kept


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="+", default=[1, 20, 100], metavar="N")
    parser.add_argument("--settle", type=float, default=SETTLED, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=LOOKED_ON, help="to look on (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each command (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    words = parser.parse_args()
    kept = rows(words.services, words.settle, words.seconds, words.runs)
    if words.json:
        words.json.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"bench: {error}")
