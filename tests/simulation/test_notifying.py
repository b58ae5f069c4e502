"""Somebody is told of each change once, also by an agent that was started anew."""

import json
from dataclasses import replace
from typing import Any

import pytest

from nvkeep.agent import notifying
from nvkeep.agent.notifying import Notifying
from nvkeep.core.scope import Scope
from nvkeep.model.notice import Event
from nvkeep.model.spec import Notify
from tests.simulation import stories
from tests.simulation.world import SERVICE, Process, World, cluster, force_role

COMMAND = ("/bin/tell",)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    said: list[tuple[str, str]] = []

    def send(scope: Scope, event: Event, detail: str = "") -> str:
        said.append((scope.host.name, f"{event} {detail}".strip()))
        return ""

    monkeypatch.setattr(notifying, "send", send)
    return said


class Watched:
    """A world whose hosts have an agent each that tells somebody."""

    def __init__(self, world: World, after: float = 30.0) -> None:
        self.world = world
        world.cluster = replace(world.cluster, notify=Notify(command=COMMAND, after=after))
        self.agents = {name: self.agent(name) for name in world.machines}

    def agent(self, name: str) -> Notifying:
        return Notifying(Process(self.world, self.world.machines[name]))

    def passes(self, seconds: float, *names: str) -> None:
        end = self.world.clock + seconds
        while self.world.clock < end:
            self.world.advance(1.0)
            for name in names:
                self.world.make_pass(name)
                self.agents[name].ask(self.world.cluster)
                self.agents[name].look(Scope(self.agents[name].host, self.world.cluster, SERVICE))


def taking() -> Watched:
    """Give hosts with agents, of which a gets the role now."""
    world = World(cluster())
    for name in world.machines:
        force_role(world, name, "BACKUP")
    watched = Watched(world)
    watched.passes(2, "a", "b")
    force_role(world, "a", "MASTER")
    return watched


def test_a_takeover_is_told_by_the_host_that_took_it_and_the_loss_by_the_other(sent: list[tuple[str, str]]) -> None:
    watched = taking()
    watched.passes(3, "a", "b")
    assert sent == [("a", "takeover")]
    watched.world.seize_behind_its_back("vol")
    watched.passes(3, "a")
    assert sent == [("a", "takeover"), ("a", "fenced")]


def test_whoever_begins_to_tell_tells_nothing_of_what_is_there(sent: list[tuple[str, str]]) -> None:
    watched = Watched(stories.serving())
    watched.passes(10, "a", "b")
    assert sent == []


def test_a_new_agent_tells_nothing_again(sent: list[tuple[str, str]]) -> None:
    watched = taking()
    watched.passes(3, "a", "b")
    watched.world.machines["b"].power_cut()
    watched.passes(80, "a")
    told = [("a", "takeover"), ("a", "not-ready b answers on no heartbeat")]
    assert sent == told
    watched.agents = {name: watched.agent(name) for name in watched.world.machines}
    watched.passes(100, "a")
    assert sent == told


def test_a_disk_that_is_full_tells_nothing_again(sent: list[tuple[str, str]]) -> None:
    watched = taking()
    watched.world.machines["a"].full.add("/var/lib/nvkeep/*")
    watched.passes(20, "a")
    assert sent == [("a", "takeover")]


def test_a_dead_host_is_told_by_the_one_that_serves_after_a_while_and_its_return(sent: list[tuple[str, str]]) -> None:
    watched = Watched(stories.serving())
    watched.passes(3, "a", "b")
    sent.clear()
    watched.world.machines["b"].power_cut()
    watched.passes(25, "a")
    assert sent == []
    watched.passes(80, "a")
    assert sent == [("a", "not-ready b answers on no heartbeat")]
    watched.world.machines["b"].power_on()
    force_role(watched.world, "b", "BACKUP")
    watched.passes(80, "a", "b")
    assert [line for line in sent if line[0] == "a"] == [("a", "not-ready b answers on no heartbeat"), ("a", "all-clear")]


def test_a_host_that_somebody_has_put_on_standby_is_no_news(sent: list[tuple[str, str]]) -> None:
    watched = Watched(stories.serving())
    watched.passes(3, "a", "b")
    sent.clear()
    scope = Scope(watched.agents["b"].host, watched.world.cluster, SERVICE)
    scope.host.write("/var/lib/nvkeep/override/standby", _order())
    watched.passes(100, "a", "b")
    assert sent == []


def _order() -> str:
    record: dict[str, Any] = {"service": "", "owner": "root", "reason": "a test", "since": "now", "until": 0.0}
    return json.dumps(record)
