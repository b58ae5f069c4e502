"""Would the simulation notice? Each mutation breaks one line of the engine or the decision; a named part of the suite must fail, and why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from tenacity import retry_if_exception_type

from nvkeep import engine, guard, keepalived, passes, state
from nvkeep.errors import Denied, Pending, ProbeError, StepError
from nvkeep.model import decision
from nvkeep.model.decision import Action, Facts, Guard, Holder
from nvkeep.model.plan import Plan
from nvkeep.model.role import Role
from nvkeep.reconcilers.backends.image import ImageBackend
from nvkeep.reconcilers.backends.nvmesh import NvmeshBackend
from nvkeep.reconcilers.mount import MountKind
from nvkeep.reconcilers.service import UnitKind
from nvkeep.reconcilers.volume import VolumeKind
from tests.simulation.states import every_state
from tests.simulation.stories import STORIES
from tests.simulation.test_convergence import failing, killed

Change = Callable[[pytest.MonkeyPatch], None]
MUTATIONS: dict[str, tuple[Change, str, str]] = {}


def mutation(story: str, because: str) -> Callable[[Change], Change]:
    """Register a mutation, the story that must fail under it, and a word of why it fails."""

    def register(change: Change) -> Change:
        MUTATIONS[change.__name__.strip("_").replace("_", " ")] = (change, story, because)
        return change

    return register


def line(patch: pytest.MonkeyPatch, number: int, **changes: Any) -> None:
    patch.setitem(decision.LINES, number, decision.LINES[number]._replace(**changes))


@pytest.mark.parametrize("name", STORIES)
def test_every_story_ends_well(name: str) -> None:
    assert not STORIES[name]()
