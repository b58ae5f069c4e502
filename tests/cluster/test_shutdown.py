"""Reboots and shutdowns: everything is released before keepalived, the storage client and the network go. Needs root."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lab import databases, protected
from lab.cluster import Lab
from lab.commands import run, until
from lab.databases import Database
from lab.network import FLOATING
from tests.cluster.conftest import Pair, assert_clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

HAND_OVER = 5.0  # seconds: the longest gap of a drain; PostgreSQL's own stop and start are most of it
POSTGRESQL = "/var/log/postgresql/postgresql-15-main.log"
SLOW_CLIENT = "[Service]\nExecStartPre=/bin/sleep 4\n"
STOPPED_LAST = "[Unit]\nBefore=remote-fs-pre.target\n"  # so at a shutdown systemd stops it after everything of ours


def story(pair: Pair) -> list[str]:
    """List what became of the volume, in order: who attached it and how, who gave it back, who was refused a write."""
    seen = pair.events("attach", "detach", "preempted", "refused")
    return [f"{one['host']} {one.kind} {one['how'] or ''}".strip() for one in seen]


def handed_over(first: Server, second: Server) -> list[str]:
    return [f"{first.name} detach", f"{second.name} attach plain"]


def last_boot(server: Server) -> str:
    """Return the journal of the boot before this one."""
    return server.run(("journalctl", "--no-pager", "-b", "-1", "-o", "short-monotonic")).stdout


def position(text: str, what: str) -> int:
    found = re.search(what, text)
    assert found, f"{what} is not in\n{text[-6000:]}"
    return found.start()


def assert_orderly(journal: str) -> None:
    """Assert the order: nvkeep's drain, keepalived, the storage client; and that systemd unmounts nothing of ours."""
    marks = (
        r"pg: nothing of it is left here",
        r"Stopped .*nvkeep: Releases every service|Stopped nvkeep-shutdown",
        r"Stopped .*(keepalived|Keepalive Daemon)",
        r"Stopped .*nvmeshclient",
    )
    places = [position(journal, mark) for mark in marks]
    assert places == sorted(places), list(zip(marks, places, strict=True))
    assert not re.search(r"Unmounting .*srv-pg|Unmounting .*/srv/pg", journal)
    assert not re.search(r"Failed (un)?mounting|destructive|giving up|Timed out", journal)


def device(server: Server) -> str:
    """Name the loop device behind the volume of a server, as the kernel's log does."""
    line = next(line for line in server.read("/proc/1/mountinfo").splitlines() if f" {protected.PATH} " in line)
    return f"(loop{line.split()[2].partition(':')[2]})"


def since_mounted(server: Server) -> list[str]:
    """Return what the kernel told of the volume's file system since it was last unmounted; the log is the whole machine's."""
    told = [line for line in run(("dmesg",)).stdout.splitlines() if f"EXT4-fs {device(server)}" in line]
    ends = [number for number, line in enumerate(told) if "unmounting filesystem" in line]
    return told[ends[-1] + 1 :] if ends else told


def assert_clean_start(server: Server) -> None:
    """Assert that neither the file system nor the database had anything to recover."""
    told = since_mounted(server)
    assert any("mounted filesystem" in line for line in told)
    assert not [line for line in told if "recovery" in line or "orphan" in line]
    log = server.read(POSTGRESQL)
    assert "database system was shut down at" in log
    assert "was not properly shut down" not in log


def test_a_reboot_of_the_active_server_is_an_orderly_hand_over(pair: Pair) -> None:
    gone, heir = pair.active, pair.other
    gone.reboot()
    pair.wait_serving(heir)
    pair.wait_ready(gone)
    result = pair.finish(heir, clean=gone)
    print(f"\nreboot of the active server: longest gap {result.longest_gap_seconds:.2f} s")  # noqa: T201 - measured
    assert story(pair) == handed_over(gone, heir)
    assert_clean_start(heir)
    assert_orderly(last_boot(gone))
    assert result.longest_steady_gap < HAND_OVER


def test_a_reboot_while_cluster_yaml_is_wrong_is_an_orderly_hand_over(pair: Pair) -> None:
    gone, heir = pair.active, pair.other
    right = gone.read("/etc/nvkeep/cluster.yaml")
    gone.write("/etc/nvkeep/cluster.yaml", "cluster: [\n")
    until(lambda: gone.read("/run/nvkeep/eligible/pg").strip() == "0", within=10, what="the agent did not see it")
    gone.reboot()
    pair.wait_serving(heir)
    assert story(pair) == handed_over(gone, heir)
    assert_orderly(last_boot(gone))
    gone.write("/etc/nvkeep/cluster.yaml", right)
    pair.wait_ready(gone)
    pair.finish(heir, clean=gone)


def test_a_reboot_of_the_backup_moves_nothing(pair: Pair) -> None:
    pair.other.reboot()
    pair.wait_ready(pair.other)
    result = pair.finish(pair.active, clean=pair.other)
    assert story(pair) == []
    assert result.longest_steady_gap < 0.5


def test_both_servers_are_rebooted_at_once(pair: Pair) -> None:
    serving, resting = pair.reboot_both()
    pair.finish(serving, clean=resting)
    pair.wait_ready(resting)
    assert not [line for line in story(pair) if "preempt" in line or "refused" in line]
    assert_clean_start(serving)


def test_the_active_server_is_switched_off_and_then_the_other_and_one_returns_alone(fresh: Pair) -> None:
    first, second = fresh.active, fresh.other
    first.shut_down()
    fresh.wait_serving(second)
    second.shut_down()
    assert story(fresh) == [*handed_over(first, second), f"{second.name} detach"]
    assert fresh.lab.storage.holder() is None
    first.power_on()
    fresh.wait_serving(first, within=60)
    fresh.finish(first, clean=None)
    assert story(fresh)[-1] == f"{first.name} attach plain"
    assert_clean_start(first)


def test_a_unit_that_systemd_would_stop_last_is_stopped_in_time(fresh: Pair) -> None:
    gone, heir = fresh.active, fresh.other
    gone.write(f"/etc/systemd/system/{protected.UNIT}.d/order.conf", STOPPED_LAST)
    gone.write(
        "/etc/nvkeep/cluster.yaml", gone.read("/etc/nvkeep/cluster.yaml").replace("reconcile: 4", "reconcile: 4, step: 6")
    )
    gone.run(("systemctl", "daemon-reload"))
    gone.reboot()
    fresh.finish(heir, clean=gone)
    assert story(fresh) == handed_over(gone, heir)
    assert_orderly(last_boot(gone))


def test_of_three_servers_one_of_the_others_takes_over(three: Pair) -> None:
    gone, others = three.active, [server for server in three.lab if server is not three.active]
    for server in others:
        three.wait_ready(server)
    gone.reboot()
    heir = protected.active_server(three.lab)
    result = three.finish(heir, clean=gone)
    assert_clean(next(server for server in others if server is not heir))
    assert story(three) == handed_over(gone, heir)
    assert_clean_start(heir)
    assert result.longest_steady_gap < HAND_OVER


@pytest.fixture
def three(alone: None) -> Iterator[Pair]:  # noqa: ARG001 - a worker has one lab at a time
    one = Database(hosts=("srv-a", "srv-b", "srv-c"))
    with Lab(one.hosts, config=databases.config((one,), one.hosts), prepare=protected.prepare) as lab:
        yield Pair(lab)


def prepare(server: Server) -> None:
    """Let the storage client be late at every boot, and keepalived be started by hand only."""
    protected.prepare(server)
    server.write("/etc/systemd/system/nvmeshclient.service.d/late.conf", SLOW_CLIENT)
    run(("chroot", str(server.root), "systemctl", "disable", "--quiet", "keepalived.service"))


@pytest.fixture
def by_hand(alone: None) -> Lab:  # noqa: ARG001 - a worker has one lab at a time
    return Lab(config=protected.config(4), prepare=prepare)


def test_a_late_storage_client_and_a_keepalived_that_is_started_by_hand(by_hand: Lab) -> None:
    with by_hand as lab:
        for server in lab:
            assert_waited_for_the_client(server)
            assert_says_so(server)
        first, second = lab
        first.run(("systemctl", "start", "keepalived"))
        until(lambda: protected.serves(first), within=20, what=f"{first.name} does not serve")
        second.run(("systemctl", "start", "keepalived"))
        until(lambda: protected.ready(second), within=20, what=f"{second.name} is not ready")
        pair = Pair(lab)
        first.reboot()
        pair.wait_serving(second)
        assert_clean(first)
        assert_says_so(first)
        pair.finish(second, clean=first)
        assert story(pair) == handed_over(first, second)


def assert_waited_for_the_client(server: Server) -> None:
    """Assert that nothing of ours was started before the storage client had been."""
    argv = ("systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "--value", "nvmeshclient.service")
    client = int(server.run(argv).stdout)
    for unit in ("nvkeep.service", "nvkeep-reconcile.service"):
        asked = ("systemctl", "show", "-p", "ExecMainStartTimestampMonotonic", "--value", unit)
        started = int(server.run(asked).stdout)
        assert not started or started > client, unit


def assert_says_so(server: Server) -> None:
    """Assert that status tells that keepalived was not started, is not at boot, and what to type."""
    until(
        lambda: server.run(("nvkeep", "status", "--local"), check=False).returncode == 1,
        within=20,
        what="status is not degraded",
    )
    told = server.run(("nvkeep", "status", "--local"), check=False).stdout
    assert "keepalived has not been started since this host booted, so it has no role; systemctl start keepalived" in told
    assert ". keepalived is not enabled at boot" in told
    assert FLOATING not in protected.addresses(server)
