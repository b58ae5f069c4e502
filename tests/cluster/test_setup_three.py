"""`nvkeep setup` for three servers on two heartbeat networks. Needs root."""

from __future__ import annotations

from lab import databases
from lab.databases import Database
from tests.cluster.bare import FILE, bare, setup, switch
from tests.cluster.conftest import Pair
from tests.cluster.stage import MEASURED, QUIET

HOSTS = ("srv-a", "srv-b", "srv-c")
PG = Database(hosts=HOSTS, more=("health: {postgresql: 5432}",))


def test_three_servers() -> None:
    with bare(HOSTS, heartbeats=2) as lab:
        first, *_ = lab
        first.write(FILE, databases.config((PG,), HOSTS, heartbeats=2))
        done = setup(first, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        switch(lab, active="active", enabled="enabled")
        pair = Pair(lab)
        third = next(server for server in lab if server not in (pair.active, pair.other))
        pair.wait_ready(third)
        assert setup(third, "--yes").stdout.startswith("srv-a, srv-b, srv-c: set up as cluster.yaml says; nothing was changed")
        result = pair.finish(pair.active, pair.other)
        MEASURED.append(f"setup of three: first served by {pair.active.name}; longest gap {result.longest_gap_seconds:.2f} s")
        assert result.longest_steady_gap < QUIET
