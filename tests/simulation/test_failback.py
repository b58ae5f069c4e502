"""When the preferred host asks for its service back, and when it does not."""

import json
import time
from dataclasses import replace
from typing import Literal

import pytest

from nvkeep.admin import failback
from nvkeep.admin.failback import RETRY_DELAY_S, Failback
from nvkeep.model.spec import Cluster, Window
from tests.simulation.ssh import at
from tests.simulation.stories import flag, passes, serving
from tests.simulation.world import SERVICE, WALL, Process, World, cluster, force_role


def window(first: float, last: float) -> str:
    """Write a window that begins and ends so many hours after a world does."""
    begin, end = (time.strftime("%H:%M", time.localtime(WALL + 3600 * hours)) for hours in (first, last))
    return f"{begin}-{end}"


def with_policy(failback: Window | Literal["manual"]) -> Cluster:
    plain = cluster()
    service = replace(plain.services[SERVICE], failback=failback)
    return replace(plain, services={SERVICE: service})


def away() -> World:
    """Build a world in which b serves, and a, which is preferred, stands by."""
    world = serving()
    world.machines["a"].power_cut()
    force_role(world, "b", "MASTER")
    passes(world, "b", 5.0)
    world.machines["a"].power_on()
    force_role(world, "a", "BACKUP")
    passes(world, "a", 5.0)
    assert world.serves("b")
    compared(world, "a")
    compared(world, "b")
    return world


def compared(world: World, name: str, *differs: str, at: float = 1.0) -> None:
    """Record how a host was compared with the other one."""
    process = Process(world, world.machines[name])
    found = {"at": at, "differs": [{"services": [SERVICE], "text": one} for one in differs], "unreached": ""}
    peers = {other: found for other in world.machines if other != name}
    process.write("/run/nvkeep/agreement", json.dumps({"boot": process.boot_id(), "peers": peers}))


def due(world: World, name: str, failback: Window | Literal["manual"]) -> bool:
    return Failback(Process(world, world.machines[name]), with_policy(failback), SERVICE).due()


def test_the_preferred_host_asks_in_its_window_and_only_then() -> None:
    world = away()
    assert due(world, "a", Window(window=window(-1, 1)))
    assert not due(world, "a", Window(window=window(1, 2)))
    assert not due(world, "a", "manual")
    assert not due(world, "b", Window(window=window(-1, 1)))


def test_who_serves_is_not_ready_or_has_just_asked_does_not() -> None:
    world, now = away(), Window(window=window(-1, 2))
    one = Failback(Process(world, world.machines["a"]), with_policy(now), SERVICE)
    one.store.save_flag(up=False)
    assert not one.due()
    one.store.save_flag(up=True)
    assert one.due()
    one.timestamps.ask_back()
    assert not one.due()
    one.host.write(f"/var/lib/nvkeep/failback/{SERVICE}", f"{one.host.wall() - RETRY_DELAY_S}")
    assert one.due()
    one.host.write(f"/var/lib/nvkeep/failback/{SERVICE}", "what")
    assert not one.due()
    one.host.remove(f"/var/lib/nvkeep/failback/{SERVICE}")
    one.store.claim(held=True)
    assert not one.due()


def test_hosts_that_differ_keep_it_away() -> None:
    world, now = away(), Window(window=window(-1, 1))
    compared(world, "a", "/etc/exports differs between a and b")
    assert not due(world, "a", now)
    compared(world, "a")
    assert due(world, "a", now)


def test_hosts_are_compared_anew_before_it_moves_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    world, now = away(), Window(window=window(-1, 1))
    asked = []

    def differ(host: Process, _: Cluster) -> None:
        asked.append(host.name)
        compared(world, host.name, "/etc/exports differs between a and b")

    monkeypatch.setattr(failback, "renew", differ)
    assert not due(world, "a", Window(window=window(1, 2)))
    assert asked == []
    assert [due(world, "a", now) for _ in range(3)] == [False] * 3
    assert asked == ["a"]  # what is known to differ is not asked again every minute


def test_hosts_that_were_never_compared_are_not_known_to_agree() -> None:
    world, now = away(), Window(window=window(-1, 1))
    compared(world, "a", at=0.0)
    assert not due(world, "a", now)
    at(world, "a").remove("/run/nvkeep/agreement")
    assert not due(world, "a", now)


def test_a_host_that_died_of_serving_does_not_ask_again_when_it_is_up() -> None:
    world, now = away(), Window(window=window(-1, 2))
    Failback(at(world, "a"), with_policy(now), SERVICE).timestamps.ask_back()
    world.machines["a"].power_cut()
    world.machines["a"].power_on()
    passes(world, "a", 5.0)
    compared(world, "a")
    assert flag(world, "a")
    assert not due(world, "a", now)
    world.advance(RETRY_DELAY_S)
    passes(world, "a", 5.0)
    assert due(world, "a", now)
