"""Hosts that hang while their kernel lives: the whole host, one thread of nvkeep, the system's disk. Needs root."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lab.commands import until
from lab.databases import Database
from lab.steady import boottime
from tests.cluster.stage import MEASURED, kept_stage

if TYPE_CHECKING:
    from lab.server import Server
    from tests.cluster.stage import Stage

SERVERS = ("srv-a", "srv-b")
PG = Database("pg", 1, SERVERS, ("health: {postgresql: 5432}",))
BARE = Database("bare", 2, SERVERS, ("health: {tcp: 5433}",))
PLAIN = Database("plain", 3, SERVERS)
WRITES = Database("writes", 4, SERVERS, (Database("writes", 4).health,))
FROZEN_S = 60.0
OUTAGE_S = {PG: 15.0, WRITES: 15.0, BARE: 25.0, PLAIN: 25.0}  # at most; nobody waits for the thaw
SYSTEM = ("/var/lib/nvkeep", "/etc/nvkeep", "/usr/sbin", "/usr/bin")  # what nvkeep needs of the system's disk


kept, stage = kept_stage(SERVERS, *OUTAGE_S, timing="cooldown: 5")


def test_nobody_waits_for_the_thaw_of_a_host_that_hangs(stage: Stage) -> None:
    """P3: a kernel that lives accepts connections for processes that all hang; a check has to hear the service."""
    watches = [stage.watch(one) for one in OUTAGE_S]
    begun = boottime()
    watches[0].active.freeze()
    heirs = {watch.one: watch.wait_moved(within=FROZEN_S) for watch in watches}
    assert boottime() - begun < FROZEN_S
    time.sleep(FROZEN_S - (boottime() - begun))  # not a wait for something: the time that a host hangs
    watches[0].active.thaw()
    for watch in watches:
        watch.wait_left(watch.active, 10)
    stage.settle()
    for watch in watches:
        result = watch.finish(heirs[watch.one])
        MEASURED.append(
            f"frozen for {FROZEN_S:g} s, {watch.one.more or 'no health'}: outage {result.longest_gap_seconds:.2f} s"
        )
        assert result.longest_steady_gap < OUTAGE_S[watch.one]


HANG = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
for place in sys.argv[1:]:
    handle = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={handle},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"hang", place.encode(), b"fuse", 0, options.encode()):
        sys.exit(os.strerror(ctypes.get_errno()))
time.sleep(1000)
"""


def test_a_worker_that_hangs_is_ended_by_the_watchdog_and_the_service_is_untouched(stage: Stage) -> None:
    """H5: a directory that nobody answers for; whoever reads in it never comes back."""
    watch = stage.watch(PG)
    server = watch.active
    server.write("/run/systemd/system/nvkeep.service.d/fast.conf", "[Service]\nWatchdogSec=5\n")
    server.run(("systemctl", "daemon-reload"))
    server.run(("systemctl", "restart", "nvkeep.service"))
    agent = agent_pid(server)
    hang(server, "/var/lib/nvkeep")
    until(lambda: agent_pid(server) != agent, within=150, what="the agent was not ended", every=0.5)
    assert "watchdog" in server.journal("nvkeep.service").lower()
    server.run(("systemctl", "kill", "--signal=SIGKILL", "hang"))
    server.run(("umount", "--lazy", "/var/lib/nvkeep"), check=False)
    server.path("/run/systemd/system/nvkeep.service.d/fast.conf").unlink()
    server.run(("systemctl", "daemon-reload"))
    server.run(("systemctl", "restart", "nvkeep.service"), timeout=60)
    stage.settle(within=90)
    watch.stayed()


def agent_pid(server: Server) -> str:
    return server.run(("systemctl", "show", "-p", "MainPID", "--value", "nvkeep.service")).stdout.strip()


def hang(server: Server, *places: str) -> None:
    """Mount on each place what nobody answers for: whoever looks in it waits for ever, as for a disk that is gone."""
    server.run(("mknod", "/dev/fuse", "c", "10", "229"), check=False)
    server.write("/run/hang.py", HANG)
    server.run(("systemd-run", "--quiet", "--collect", "--unit=hang", "/usr/bin/python3", "/run/hang.py", *places))
    until(lambda: f" {places[-1]} " in server.read("/proc/1/mountinfo"), within=20, what="nothing hangs")


def test_a_system_disk_that_hangs_takes_no_service_along(stage: Stage) -> None:
    """H4: no command can be loaded, no record read; keepalived is in memory, and goes on saying MASTER."""
    watch = stage.watch(PG)
    server, (other,) = watch.active, stage.others(PG)
    server.run(("systemctl", "kill", "--signal=SIGSTOP", PG.unit))
    hang(server, *SYSTEM)
    until(lambda: PG.serves(other), within=300, what="the other server does not serve", every=0.5)
    watch.more_rows()
    assert stage.lab.storage.holder(PG.volume) == other.name
    server.power_cut()
    server.power_on()
    stage.settle(within=120)
    MEASURED.append(f"a system disk that hangs: outage {watch.finish(other).longest_gap_seconds:.2f} s")
