"""What the pair does when something dies: with real servers, real keepalived, and a volume that fences. Needs root."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lab import databases, protected
from lab.cluster import Lab
from lab.commands import until
from lab.databases import Database
from lab.network import FLOATING
from lab.steady import boottime
from tests.cluster.conftest import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

PATH, UNIT = protected.PATH, protected.UNIT
NOTHING_MOVED = 0.5  # seconds: the longest gap where nothing may move
DEADLINE = 5.0  # seconds in which a host that lost its volume has released everything


def main_pid(server: Server, unit: str) -> str:
    return server.run(("systemctl", "show", "-p", "MainPID", "--value", unit)).stdout.strip()


def test_postgresql_killed_is_healed_in_place(pair: Pair) -> None:
    pid = main_pid(pair.active, UNIT)
    pair.active.run(("kill", "-KILL", pid))
    until(lambda: main_pid(pair.active, UNIT) not in ("0", pid), within=20, what="PostgreSQL was not started again")
    pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []


def test_floating_address_deleted_by_hand_is_healed(pair: Pair) -> None:
    pair.active.run(("ip", "addr", "del", f"{FLOATING}/24", "dev", "host0"))
    until(lambda: FLOATING in protected.addresses(pair.active), within=10, what="the address did not come back")
    result = pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []
    assert result.longest_steady_gap < DEADLINE


def test_another_host_that_claims_the_address_is_contradicted_at_once(pair: Pair) -> None:
    """As one does that wakes from a freeze: what it sends before it releases must not draw the clients away."""
    claim = f"for one in 1 2 3 4 5; do nvkeep announce host0 {FLOATING}; done"
    pair.other.run(("sh", "-c", claim))
    pair.more_rows()
    result = pair.finish(pair.active, clean=pair.other)
    assert result.longest_steady_gap < NOTHING_MOVED
    assert pair.taken() == []


def test_lazy_umount_by_hand_is_healed(pair: Pair) -> None:
    pair.active.run(("umount", "--lazy", PATH))
    until(lambda: f" {PATH} " in pair.active.read("/proc/1/mountinfo"), within=10, what="it was not mounted again")
    pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []


def test_keepalived_killed_moves_nothing(pair: Pair) -> None:
    before = main_pid(pair.active, "keepalived.service")
    pair.active.run(("systemctl", "kill", "--signal=KILL", "keepalived.service"))
    until(lambda: main_pid(pair.active, "keepalived.service") not in ("0", before), within=10, what="keepalived did not return")
    time.sleep(5)  # long enough for a takeover, had anybody decided on one
    result = pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []
    assert result.longest_steady_gap < NOTHING_MOVED


def test_both_servers_restarted(pair: Pair) -> None:
    serving, resting = pair.reboot_both()
    pair.finish(serving, clean=resting)
    pair.wait_ready(resting)


def test_power_cut_of_the_active_server_and_its_return(pair: Pair) -> None:
    dead, heir = pair.active, pair.other
    dead.power_cut()
    pair.wait_serving(heir)
    dead.power_on()
    pair.wait_ready(dead)
    result = pair.finish(heir, clean=dead)
    assert pair.taken() == [f"{heir.name} preempt"]
    assert result.longest_gap_seconds > 0.5
    assert result.longest_steady_gap < 8


@pytest.fixture
def healthy(alone: None) -> Iterator[Pair]:  # noqa: ARG001 - a worker has one lab at a time
    one = Database(more=("health: {postgresql: 5432}",))
    with Lab(one.hosts, config=databases.config((one,), one.hosts), prepare=protected.prepare) as lab:
        yield Pair(lab)


def test_keepalived_kept_down_moves_nothing_until_its_server_dies(healthy: Pair) -> None:
    pair, dead, heir = healthy, healthy.active, healthy.other
    dead.run(("systemctl", "mask", "--runtime", "keepalived.service"))
    dead.run(("systemctl", "kill", "--signal=KILL", "keepalived.service"))
    time.sleep(15)  # longer than the patience: the health check still passes, so nothing may be taken
    assert pair.writer.result().longest_steady_gap < NOTHING_MOVED
    assert pair.taken() == []
    dead.power_cut()
    pair.wait_serving(heir)
    pair.finish(heir, clean=None)
    assert pair.taken() == [f"{heir.name} preempt"]


def test_volume_seized_behind_its_back_isolates_the_old_holder(fresh: Pair) -> None:
    loser, thief = fresh.active, fresh.other
    begun = boottime()
    thief.run(("nvmesh_attach_volumes", "--preempt", "--access", "EXCLUSIVE_READ_WRITE", "--json", "vol1"), check=False)
    until(
        lambda: not protected.serves(loser) and FLOATING not in protected.addresses(loser), within=DEADLINE, what="it kept on"
    )
    until(lambda: not loser.path("/run/nvmesh-proc/nvmeibc/volumes/vol1").exists(), within=DEADLINE, what="it stayed attached")
    assert boottime() - begun < DEADLINE
    fresh.finish(thief, clean=loser)
    assert fresh.taken() == [f"{thief.name} preempt"]


def test_agent_killed_in_the_middle_of_a_takeover(fresh: Pair) -> None:
    dead, heir = fresh.active, fresh.other
    fresh.lab.storage.io_delay(1.5)  # the middle of the takeover lasts: attached, not mounted
    heir.run(("systemctl", "mask", "--runtime", "nvkeep.service"))  # once killed, only the timer is left
    dead.power_cut()
    until(lambda: fresh.taken() == [f"{heir.name} preempt"], within=20, what="no takeover began")
    heir.run(("systemctl", "kill", "--signal=KILL", "nvkeep.service"))
    assert not protected.serves(heir)
    fresh.wait_serving(heir)
    fresh.finish(heir, clean=None)
    assert heir.run(("systemctl", "is-active", "--quiet", "nvkeep.service"), check=False).returncode != 0


def test_both_servers_lose_power_and_one_returns(fresh: Pair) -> None:
    first, second = fresh.active, fresh.other
    second.power_cut()
    first.power_cut()
    second.power_on()
    fresh.wait_serving(second, within=90)
    fresh.finish(second, clean=None)


def test_four_shells_apply_during_a_takeover(fresh: Pair) -> None:
    dead, heir = fresh.active, fresh.other
    heir.run(("nvkeep", "apply"))
    dead.power_cut()
    until(lambda: "MASTER" in heir.run(("nvkeep", "role")).stdout, within=20, what="keepalived gave it no role")
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: heir.run(("nvkeep", "apply"), timeout=60, check=False), range(4)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 4
    fresh.finish(heir, clean=None)
    assert fresh.taken() == [f"{heir.name} preempt"]
    again = heir.run(("nvkeep", "apply"))
    assert "nothing to do" in again.stdout
