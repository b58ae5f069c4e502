"""What passes keep of themselves, in every story: each entry decides the same again, and observing does nothing."""

from typing import Any

import pytest

from nvkeep import log
from nvkeep.admin.drain import drain
from nvkeep.model.history import replayed
from tests.simulation import stories
from tests.simulation.world import SERVICE, Process, World, cluster, force_role


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    monkeypatch.setattr(log, "history", entries.append)
    return entries


@pytest.mark.parametrize("name", stories.STORIES)
def test_every_entry_decides_the_same_again(name: str, kept: list[dict[str, Any]]) -> None:
    assert stories.STORIES[name]() == ""
    assert kept
    assert all(replayed(entry)[1] for entry in kept)


def test_a_takeover_is_kept_with_its_outage(kept: list[dict[str, Any]]) -> None:
    world = stories.watched()
    world.machines["a"].power_cut()
    died = world.clock
    world.advance(1.0)
    force_role(world, "b", "MASTER")
    world.make_pass("b")
    (entry,) = [one for one in kept if one["did"] == "seize"]
    assert entry["outage"] == pytest.approx(world.clock - died, abs=0.5)
    assert {step["verb"] for step in entry["steps"] if step["ran"]} == {"seize", "acquire"}


def test_what_was_denied_and_given_back_is_kept(kept: list[dict[str, Any]]) -> None:
    assert stories.STORIES["all volumes or none"]() == ""
    steps = [(step["verb"], step["word"]) for entry in kept for step in entry["steps"] if step["ran"]]
    assert ("acquire", "denied") in steps
    assert ("release", "converged") in steps


def test_a_host_at_rest_keeps_nothing(kept: list[dict[str, Any]]) -> None:
    world = stories.serving()
    stories.passes(world, "a", 30.0)
    stories.passes(world, "b", 30.0)
    kept.clear()
    stories.passes(world, "a", 60.0)
    stories.passes(world, "b", 60.0)
    assert kept == []


def test_a_holder_that_is_only_observed_from_now_on_keeps_what_it_has_also_when_it_goes_down() -> None:
    world = stories.serving()
    world.cluster = cluster(mode="observe")
    world.commands.clear()
    stories.passes(world, "a", 5.0)
    world.seize_behind_its_back("vol")
    stories.passes(world, "a", 5.0)
    process = Process(world, world.machines["a"])
    process.write("/run/nvkeep/leaving", "")
    began = world.clock
    assert drain(process, world.cluster, [SERVICE]) == []
    assert world.clock - began < 1
    assert not world.changes(0, "a")


def test_a_service_that_is_only_observed_is_left_alone(kept: list[dict[str, Any]]) -> None:
    world = World(cluster(mode="observe"))
    force_role(world, "a", "MASTER")
    stories.passes(world, "a", 5.0)
    assert world.clean("a")
    assert not world.changes(0)
    assert kept[-1]["did"] == "wait"
    assert "(else: acquire: " in kept[-1]["why"]
