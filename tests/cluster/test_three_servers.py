"""What three servers do with one service on two heartbeat networks. Needs root."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lab.commands import until
from lab.databases import Database
from lab.network import HEARTBEATS
from lab.steady import boottime
from tests.cluster.stage import HALF_MASTERS, MEASURED, all_at_once, half_masters, kept_stage, noticed, says, standing

if TYPE_CHECKING:
    from lab.server import Server
    from tests.cluster.stage import Stage

HOSTS = ("srv-a", "srv-b", "srv-c")
PG = Database(hosts=HOSTS, more=("health: {postgresql: 5432}",))
BEAT = HEARTBEATS[0]
TAKEOVER = 8.0  # seconds without a row when a server dies


kept, stage = kept_stage(HOSTS, PG, heartbeats=2)


def took_over(stage: Stage, within: float = 40) -> Server:
    """Wait until one of the servers that have power serves, and give it."""
    until(lambda: any(PG.serves(server) for server in stage.lab), within=within, what="no server serves")
    return stage.on(PG)


def test_when_two_of_three_die_the_third_serves(stage: Stage) -> None:
    watch = stage.watch(PG)
    dead = []
    for _ in range(2):
        dead.append(stage.on(PG))
        dead[-1].power_cut()
        watch.wait_serving(took_over(stage))
        watch.more_rows()
    last = stage.on(PG)
    all_at_once(dead, "power_on")
    stage.settle()
    result = watch.finish(last)
    assert len(watch.moves) == 2
    assert all(move.endswith(" preempt") for move in watch.moves)
    assert len(result.gaps) == 2
    assert result.longest_steady_gap < TAKEOVER


def test_all_heartbeats_of_the_active_server_are_cut_and_then_it_dies(stage: Stage) -> None:
    watch, active = stage.watch(PG), stage.on(PG)
    others = stage.others(PG)
    stage.lab.network.cut_heartbeats(active.name)
    until(lambda: noticed(PG, others), within=15, what="nobody says split", every=0.2)
    time.sleep(15)  # longer than any patience: nothing may move while the service is well
    assert watch.moves == []
    assert watch.seen().longest_steady_gap < 0.5
    longest = TAKEOVER + (HALF_MASTERS if half_masters(PG, others) else 0.0)
    died = boottime()
    active.power_cut()
    heir = took_over(stage)
    watch.more_rows()
    active.power_on()
    stage.settle()
    result = watch.finish(heir)
    took = (result.first_ack_after(died + 0.2) or died) - died
    MEASURED.append(f"the active server dies while its heartbeats are cut: first row {took:.2f} s after")
    assert watch.moves == [f"{heir.name} preempt"]
    assert result.longest_steady_gap < longest


def test_masters_of_several_networks_become_one_host(stage: Stage) -> None:
    """The last one hears nobody on one network, so that it is master there when the active server dies."""
    watch, active = stage.watch(PG), stage.on(PG)
    first, last = stage.others(PG)
    for other in (active, first):  # whoever hears nothing gets no answer to its ARP either
        last.run(
            (
                "ip",
                "neigh",
                "replace",
                BEAT.address(other.host),
                "lladdr",
                BEAT.mac(other.host),
                "dev",
                BEAT.interface,
                "nud",
                "permanent",
            )
        )
    stage.lab.network.deafen(last.name, BEAT.interface)
    until(lambda: "CANDIDATE" in standing(last, PG)["role"], within=10, what=f"{last.name} is master of no network")
    active.power_cut()
    until(lambda: "CANDIDATE" in standing(first, PG)["role"], within=10, what=f"{first.name} is not master of one network")
    stage.lab.network.heal(last.name, BEAT.interface)
    assert "CANDIDATE" in standing(last, PG)["role"]
    heir = took_over(stage, within=60)
    watch.wait_serving(heir)
    active.power_on()
    stage.settle()
    result = watch.finish(heir)
    assert watch.moves == [f"{heir.name} preempt"]
    assert result.longest_steady_gap < 40


def test_half_masters_that_stay_so_seldom_ask_the_storage(stage: Stage) -> None:
    """The storage names no holder; the preferred server keeps the network that it is master of, and another one serves."""
    preferred = stage.lab[HOSTS[0]]
    if stage.on(PG) is preferred:
        preferred.power_cut()
        took_over(stage)
        preferred.power_on()
        stage.settle()
    watch = stage.watch(PG)
    stage.lab.network.deafen(preferred.name, BEAT.interface)
    until(lambda: "CANDIDATE" in standing(preferred, PG)["role"], within=10, what="it is master of no network")
    stage.lab.network.heal(preferred.name, BEAT.interface)
    until(lambda: "CANDIDATE" in standing(watch.active, PG)["role"], within=10, what="the active server kept both networks")
    heard = boottime()
    time.sleep(30)
    denied = [event for event in stage.lab.storage.events("denied") if event.boottime > heard]
    assert len(denied) <= 1, denied
    assert "CANDIDATE" in standing(preferred, PG)["role"]
    assert says(preferred, PG, "ok")
    watch.stayed()


def test_all_three_are_rebooted(stage: Stage) -> None:
    watch = stage.watch(PG)
    all_at_once(list(stage.lab), "reboot")
    serving = took_over(stage, within=90)
    stage.settle()
    watch.finish(serving)
