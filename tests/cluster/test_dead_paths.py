"""A server that is well but for one thing: no way to its clients, none to its storage, or no time at all. Needs root.

Two services at once: one has a health check that writes, the other has none. They begin on srv-a and srv-c, and meet on one
server, or go back there: there is always a server left that both may go to.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lab.databases import Database
from lab.steady import boottime
from tests.cluster.stage import MEASURED, kept_stage

if TYPE_CHECKING:
    from tests.cluster.stage import Stage

SERVERS = ("srv-a", "srv-b", "srv-c")
PG = Database("pg", 1, SERVERS, (Database("pg", 1).health,))
PLAIN = Database("plain", 2, ("srv-c", "srv-b"))
CARRIER_DEADLINE, IO_DEADLINE, PATIENCE = 5.0, 10.0, 10.0  # seconds after which something is released, or taken
TAKEOVER = 5.0  # seconds more until the other server starts the unit: what that takes is PostgreSQL's own
WAKING = 5.0  # seconds in which a host that lost its volume, frozen or stalled, has released everything once it can


kept, stage = kept_stage(SERVERS, PG, PLAIN, timing="cooldown: 5")


def test_frozen_servers_isolate_themselves_when_they_wake(stage: Stage) -> None:
    """Their kernels go on: the addresses answer, connections are accepted. Only the health check, or patience, tells."""
    watches = [stage.watch(PG), stage.watch(PLAIN)]
    for watch in watches:
        watch.active.freeze()
    heirs = {watch.one: watch.wait_moved() for watch in watches}
    woken = boottime()
    for watch in watches:
        watch.active.thaw()
    for watch in watches:
        watch.wait_left(watch.active, WAKING)
        MEASURED.append(f"{watch.one.name}: a frozen server had released everything {boottime() - woken:.2f} s after it woke")
        watch.wait_isolated("address", "mount", "volume")  # the service may have died first, of a write that was refused
    stage.settle()
    for watch in watches:
        result = watch.finish(heirs[watch.one])
        assert watch.moves == [f"{heirs[watch.one].name} preempt", f"{watch.active.name} forced"]
        assert len(result.gaps) == 1
        MEASURED.append(f"{watch.one.name}: outage {result.longest_gap_seconds:.2f} s when the active server froze")
        patience = PATIENCE if watch.one is PLAIN else 0
        assert result.longest_steady_gap < patience + TAKEOVER + watch.unit_took(heirs[watch.one])


def test_an_unplugged_service_network_is_handed_over_in_order(stage: Stage) -> None:
    watches = [stage.watch(PG), stage.watch(PLAIN)]
    active = {watch.active.name: watch.active for watch in watches}
    for name in active:
        stage.lab.network.cut(name)
    heirs = {watch.one: watch.wait_moved() for watch in watches}
    for watch in watches:
        watch.wait_said(watch.active, "cut-off")
    for name in active:
        stage.lab.network.heal(name)
    stage.settle()
    for watch in watches:
        result = watch.finish(heirs[watch.one])
        assert watch.moves == [f"{watch.active.name} detach", f"{heirs[watch.one].name} plain"]
        assert result.longest_steady_gap < CARRIER_DEADLINE + TAKEOVER + watch.unit_took(heirs[watch.one])


@pytest.mark.parametrize("how", ["fails", "stalls"])
def test_dead_storage_is_left_to_the_other_server(stage: Stage, how: str) -> None:
    watches = [stage.watch(PG), stage.watch(PLAIN)]
    storage = stage.lab.storage
    for watch in watches:
        if how == "fails":
            storage.cut(watch.active.name, "fail")
        else:
            storage.stall(watch.one.volume, watch.active.name)
    begun = time.monotonic()
    heirs = {watch.one: watch.wait_moved() for watch in watches}
    for watch in watches:
        watch.wait_left(watch.active, WAKING)
        # The unit may have died of the errors itself. A mount that was still busy goes with the next pass, and its volume too:
        # isolated, or released where that pass comes before the other server has the volume.
        watch.wait_isolated("address")
    for watch in watches:
        storage.heal(watch.active.name)
        storage.resume(watch.one.volume, watch.active.name)
    MEASURED.append(f"storage {how}: both services served elsewhere after {time.monotonic() - begun:.2f} s")
    stage.settle()
    for watch in watches:
        result = watch.finish(heirs[watch.one])
        assert len([move for move in watch.moves if move.startswith(heirs[watch.one].name)]) == 1
        assert result.longest_steady_gap < IO_DEADLINE + TAKEOVER + watch.unit_took(heirs[watch.one])
