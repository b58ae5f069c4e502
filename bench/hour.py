"""An hour under load (`make bench-hour`, root): what moves at a given advert, and is the service ever away.

All cores and the disk of both servers are busy, and what the servers send each other goes over a poor network: 1 % is lost, the
rest is up to 40 ms late. The service answers datagrams and needs no disk, and whoever asks it every 20 ms has a clean cable: a
gap is a service that was away, not a database that waited for a disk or TCP for a lost packet. The same client asks a second
program of that kind on the same server, at the server's own address: nvkeep has nothing to do with it, so a gap that both have
is the machine's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from rest import HOUR, spent, watched

from lab import cgroups, databases, places
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.databases import Database
from lab.network import FLOATING, SERVICE
from lab.server import Server
from nvkeep.model.spec import Timing

DEFAULT = Timing().advert
LOSS, JITTER = 0.01, 0.02
PORT, EVERY_S, GAP_S = 7, 0.02, 0.1
SAME_S = (
    2 * EVERY_S
)  # two gaps of one cause differ by less: each begins and ends with an answer, of which there is one in 20 ms
SETTLED_S = 30.0  # until what begins with the load is over
UNIT = "answer@{}.service"
FILES = {
    "/etc/systemd/system/answer@.service": """\
[Service]
ExecStart=/usr/bin/python3 -IS /root/answer.py %i
CPUSchedulingPolicy=rr
CPUSchedulingPriority=10
KillSignal=SIGKILL
""",
    "/root/answer.py": f"""\
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind((sys.argv[1], {PORT}))
while True:
    line.sendto(*line.recvfrom(64))
""",
}
BUSY_CORE = "while :; do :; done"
BUSY_DISK = "while :; do dd if=/dev/zero of={}/busy bs=1M count=128 conv=fsync status=none; done"
EVENTS = "/var/log/nvkeep/event_handler.log"


@dataclass(frozen=True)
class Hour:
    """What happened; `masters`: how often keepalived made the standby master; `shares` of a core by server and process.

    `gaps`: of the service, over 0.1 s; `paused`: such gaps that the program beside it had as well, so the machine's.
    """

    advert: float
    seconds: float
    takeovers: int
    masters: int
    answers: int
    gaps: tuple[float, ...]
    paused: tuple[float, ...]
    shares: dict[str, dict[str, float]]


class Gap(NamedTuple):
    """A time without an answer, longer than 0.1 s: from when to when, by the client's clock."""

    begun: float
    ended: float

    @property
    def seconds(self) -> float:
        """Tell how long it was."""
        return self.ended - self.begun


def prepare(server: Server) -> None:
    """Give a server the service."""
    for path, text in FILES.items():
        server.write(path, text)
    databases.enable(server)


@contextlib.contextmanager
def loaded(lab: Lab, standby: Server) -> Iterator[None]:
    """Keep the cores and the disk of both servers busy, and the standby's cables poor."""
    for net in lab.network.nets:
        lab.network.spoil(standby.name, net.interface, loss=LOSS, jitter=JITTER)
    for server in lab:
        for number in range(os.cpu_count() or 1):
            server.run(("systemd-run", "-q", f"--unit=busy-core-{number}", "sh", "-c", BUSY_CORE))
        server.run(("systemd-run", "-q", "--unit=busy-disk", "sh", "-c", BUSY_DISK.format("/root")))
    with (places.DISK / "busy.log").open("ab") as output:  # the servers' own disks leave out what makes writes wait
        disk = cgroups.spawn(cgroups.TOOLS, ("sh", "-c", BUSY_DISK.format(places.DISK)), output=output)
    try:
        yield
    finally:
        disk.kill()
        disk.wait()


def measured(advert: float, seconds: float) -> Hour:
    """Let so much time pass under load."""
    served = Database(bare=True, more=(f"units: [{UNIT.format(FLOATING)}]",))
    text = databases.config([served], served.hosts, timing=f"advert: {advert:g}")
    with Lab(served.hosts, volumes=[served.volume], config=text, prepare=prepare) as lab:
        servers = list(lab)
        until(lambda: any(served.serves(server) for server in servers), within=120, what="no server has the service", every=0.5)
        servers.sort(key=served.serves, reverse=True)
        active, standby = servers
        until(lambda: "BACKUP" in last_event(standby), within=60, what=f"{standby.name} does not stand by", every=0.5)
        beside = SERVICE.address(active.host)
        active.run(("systemctl", "start", UNIT.format(beside)))
        asking = client(lab, beside)
        with loaded(lab, standby):
            time.sleep(SETTLED_S)
            return looked_on(lab, active, standby, advert, seconds, asking)


def client(lab: Lab, beside: str) -> Path:
    """Ask the service and the program beside it for ever; return where it is written when each of them answered."""
    answered = places.STATE / "answered"  # in memory: a client that waits for the busy disk sees gaps that are its own
    answered.touch()
    with (places.DISK / "asking.log").open("ab") as output:
        argv = (*lab.network.enter(), sys.executable, __file__, "--ask", str(answered), FLOATING, beside)
        cgroups.spawn(cgroups.TOOLS, argv, output=output)
    for address in (FLOATING, beside):
        until(partial(heard, answered, address), within=30, what=f"{address} does not answer")
    return answered


def heard(answered: Path, address: str, since: float = 0.0, until: float = math.inf) -> list[float]:
    """Give when an address answered."""
    lines = (line.split() for line in answered.read_text().splitlines())
    return [moment for name, text in lines if name == address and since <= (moment := float(text)) <= until]


def gaps_of(moments: Sequence[float], begun: float, ended: float, least: float = GAP_S) -> list[Gap]:
    """Give the times without an answer that are longer than `least`; the moments are of the time that is looked at."""
    return [gap for gap in map(Gap._make, pairwise([begun, *moments, ended])) if gap.seconds > least]


def is_paused(gap: Gap, beside: Sequence[Gap]) -> bool:
    """Return whether the program beside the service did not answer either, at the same time and for as long."""
    return any(min(gap.ended, other.ended) - max(gap.begun, other.begun) > gap.seconds - SAME_S for other in beside)


def looked_on(lab: Lab, active: Server, standby: Server, advert: float, seconds: float, asking: Path) -> Hour:
    """See what happens and what it costs."""
    pids = {server.name: watched(server) for server in lab}
    before = {server.name: {name: spent(server, pid) for name, pid in pids[server.name].items()} for server in lab}
    begun, granted = time.monotonic(), len(lab.storage.events("grant"))
    events = len(standby.read(EVENTS))
    time.sleep(seconds)
    ended = time.monotonic()
    passed = ended - begun
    shares = {
        role: {name: (spent(server, pid) - before[server.name][name]) / passed for name, pid in pids[server.name].items()}
        for role, server in (("active", active), ("standby", standby))
    }
    answers = heard(asking, FLOATING, begun, ended)
    beside = gaps_of(heard(asking, SERVICE.address(active.host), begun, ended), begun, ended, least=EVERY_S)
    gaps = gaps_of(answers, begun, ended)
    return Hour(
        advert=advert,
        seconds=seconds,
        takeovers=len(lab.storage.events("grant")) - granted,
        masters=standby.read(EVENTS)[events:].count(" MASTER "),
        answers=len(answers),
        gaps=tuple(gap.seconds for gap in gaps if not is_paused(gap, beside)),
        paused=tuple(gap.seconds for gap in gaps if is_paused(gap, beside)),
        shares=shares,
    )


def last_event(server: Server) -> str:
    """Give the last line that keepalived has sent."""
    lines = server.read(EVENTS).splitlines() if server.path(EVENTS).exists() else []
    return lines[-1] if lines else ""


def ask(file: Path, *addresses: str) -> None:
    """Ask all at the same time, every 20 ms, and write down who answered when."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    lines = {socket.socket(socket.AF_INET, socket.SOCK_DGRAM): address for address in addresses}
    for line, address in lines.items():
        line.connect((address, PORT))
        line.setblocking(False)
    due = time.monotonic()
    with file.open("a", buffering=1) as answered:
        while True:
            for line in lines:
                with contextlib.suppress(OSError):
                    line.send(b"?")
            due = max(due + EVERY_S, time.monotonic())
            while (left := due - time.monotonic()) > 0:
                for line in select.select(lines, (), (), left)[0]:
                    with contextlib.suppress(OSError):
                        line.recv(64)
                        answered.write(f"{lines[line]} {time.monotonic():.4f}\n")


def tell(hour: Hour) -> None:
    """Print what happened."""
    gaps = f"{len(hour.gaps)}, the longest {max(hour.gaps):.3f} s" if hour.gaps else "0"
    print(f"\nadvert {hour.advert:g} s, {hour.seconds / 60:.0f} minutes under load: takeovers {hour.takeovers}")
    print(f"  gaps over {GAP_S:g} s: {gaps} (of {hour.answers} answers); the standby was made master {hour.masters} times")
    print(f"  gaps of the machine, which the program beside the service had as well: {len(hour.paused)}")
    for role, shares in hour.shares.items():
        print(f"  {role}: {', '.join(f'{name} {share:.2%} of a core' for name, share in shares.items())}")


def main() -> None:
    """Measure each advert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adverts", type=float, nargs="+", default=[DEFAULT], metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=HOUR, help="under load (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--ask", nargs="+", metavar="WORD", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.ask:
        ask(Path(words.ask[0]), *words.ask[1:])
    hours = [measured(advert, words.seconds) for advert in words.adverts]
    for hour in hours:
        tell(hour)
    if words.json:
        words.json.write_text(json.dumps([asdict(hour) for hour in hours], indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"bench: {error}")
