"""An hour under load (`make bench-hour`, root): what moves at a given advert, and is the service ever away.

All cores and the disk of both servers are busy, and what the servers send each other goes over a poor network: 1 % is lost, the
rest is up to 40 ms late. The service answers datagrams and needs no disk, and whoever asks it every 20 ms has a clean cable: a
gap is a service that was away, not a database that waited for a disk or TCP for a lost packet.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rest import HOUR, spent, watched

from lab import cgroups, databases, places
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.databases import Database
from lab.network import FLOATING
from lab.server import Server
from nvkeep.model.spec import Timing

DEFAULT = Timing().advert
LOSS, JITTER = 0.01, 0.02
PORT, EVERY_S, GAP_S = 7, 0.02, 0.1
SETTLED_S = 30.0  # until what begins with the load is over
UNIT = "answer.service"
FILES = {
    f"/etc/systemd/system/{UNIT}": """\
[Service]
ExecStart=/usr/bin/python3 -IS /root/answer.py
CPUSchedulingPolicy=rr
CPUSchedulingPriority=10
KillSignal=SIGKILL
""",
    "/root/answer.py": f"""\
import socket
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind(("{FLOATING}", {PORT}))
while True:
    line.sendto(*line.recvfrom(64))
""",
}
BUSY_CORE = "while :; do :; done"
BUSY_DISK = "while :; do dd if=/dev/zero of={}/busy bs=1M count=128 conv=fsync status=none; done"
EVENTS = "/var/log/nvkeep/event_handler.log"


@dataclass(frozen=True)
class Hour:
    """What happened; `masters`: how often keepalived made the standby master; `shares` of a core by server and process."""

    advert: float
    seconds: float
    takeovers: int
    masters: int
    answers: int
    gaps: tuple[float, ...]
    shares: dict[str, dict[str, float]]


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
    served = Database(bare=True, more=(f"units: [{UNIT}]",))
    text = databases.config([served], served.hosts, timing=f"advert: {advert:g}")
    with Lab(served.hosts, volumes=[served.volume], config=text, prepare=prepare) as lab:
        servers = list(lab)
        until(lambda: any(served.serves(server) for server in servers), within=120, what="no server has the service", every=0.5)
        servers.sort(key=served.serves, reverse=True)
        active, standby = servers
        until(lambda: "BACKUP" in last_event(standby), within=60, what=f"{standby.name} does not stand by", every=0.5)
        asking = client(lab)
        with loaded(lab, standby):
            time.sleep(SETTLED_S)
            return looked_on(lab, active, standby, advert, seconds, asking)


def client(lab: Lab) -> Path:
    """Ask the service for ever; return where it is written when it answered."""
    answered = places.STATE / "answered"  # in memory: a client that waits for the busy disk sees gaps that are its own
    answered.touch()
    with (places.DISK / "asking.log").open("ab") as output:
        argv = (*lab.network.enter(), sys.executable, __file__, "--ask", str(answered))
        cgroups.spawn(cgroups.TOOLS, argv, output=output)
    until(lambda: answered.stat().st_size > 0, within=30, what="the service does not answer")
    return answered


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
    moments = [float(line) for line in asking.read_text().split() if begun <= float(line) <= ended]
    return Hour(
        advert, seconds, len(lab.storage.events("grant")) - granted, standby.read(EVENTS)[events:].count(" MASTER "),
        len(moments), tuple(later - one for one, later in pairwise([begun, *moments, ended]) if later - one > GAP_S), shares,
    )  # fmt: skip


def last_event(server: Server) -> str:
    """Give the last line that keepalived has sent."""
    lines = server.read(EVENTS).splitlines() if server.path(EVENTS).exists() else []
    return lines[-1] if lines else ""


def ask(file: Path) -> None:
    """Ask every 20 ms, and write down when it answered."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.connect((FLOATING, PORT))
    line.settimeout(EVERY_S)
    due = time.monotonic()
    with file.open("a", buffering=1) as answered:
        while True:
            with contextlib.suppress(OSError):
                line.send(b"?")
                line.recv(64)
                answered.write(f"{time.monotonic():.4f}\n")
            due = max(due + EVERY_S, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


def tell(hour: Hour) -> None:
    """Print what happened."""
    gaps = f"{len(hour.gaps)}, the longest {max(hour.gaps):.3f} s" if hour.gaps else "0"
    print(f"\nadvert {hour.advert:g} s, {hour.seconds / 60:.0f} minutes under load: takeovers {hour.takeovers}")
    print(f"  gaps over {GAP_S:g} s: {gaps} (of {hour.answers} answers); the standby was made master {hour.masters} times")
    for role, shares in hour.shares.items():
        print(f"  {role}: {', '.join(f'{name} {share:.2%} of a core' for name, share in shares.items())}")


def main() -> None:
    """Measure each advert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adverts", type=float, nargs="+", default=[DEFAULT], metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=HOUR, help="under load (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--ask", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.ask:
        ask(words.ask)
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
