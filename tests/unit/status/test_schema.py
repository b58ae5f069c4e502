"""What `nvkeep status --json` prints is what its schema says, and what is none is refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from nvkeep.core.scope import Scope
from nvkeep.model.consistency import Compared
from nvkeep.status.cluster import Everywhere
from nvkeep.status.service import service_status
from tests.simulation import stories
from tests.simulation.world import SERVICE, Process, World, force_role

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/status.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def said(world: World, name: str) -> Any:  # noqa: ANN401 - JSON
    status = service_status(Scope(Process(world, world.machines[name]), world.cluster, SERVICE))
    return json.loads(json.dumps(asdict(status)))


def power_cut() -> World:
    world = stories.serving()
    world.machines["a"].power_cut()
    force_role(world, "b", "MASTER")
    return world


def lost() -> World:
    world = stories.serving()
    world.seize_behind_its_back("vol")
    return world


@pytest.mark.parametrize("situation", [stories.serving, stories.unheard, power_cut, lost])
def test_a_service_in_any_situation(situation: Any) -> None:  # noqa: ANN401 - what makes a world
    world = situation()
    every = [said(world, name) for name in ("a", "b") if name == "b" or situation is not power_cut]
    VALIDATOR.validate(every)
    hosts = {status["host"]: status for status in every} | {"c": {"unheard": "no route"}}
    everywhere = Everywhere({SERVICE: hosts}, {"b": Compared(5.0)}, [])
    VALIDATOR.validate(json.loads(json.dumps(everywhere.plain())))


@pytest.mark.parametrize("changes", [{"summary": "glorious"}, {"settled": "yes"}, {"warnings": "none"}, {"at": "now"}])
def test_what_is_none_is_refused(changes: dict[str, Any]) -> None:
    status = said(stories.serving(), "a")
    VALIDATOR.validate([status | {"new": 1}])
    with pytest.raises(ValidationError):
        VALIDATOR.validate([status | changes])
