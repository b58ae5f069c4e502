"""What a pass would do, where it only looks: the dry run, `nvkeep plan --if`, a plan that is kept."""

from typing import NamedTuple

from nvkeep.core.observe import Observation
from nvkeep.core.one_pass import Pass
from nvkeep.core.scope import Scope
from nvkeep.model.decision import Verdict
from nvkeep.model.plan import Plan
from nvkeep.model.role import Role


class Prospect(NamedTuple):
    """What a pass would do, on what it rests, and why."""

    scope: Scope
    verdict: Verdict
    observation: Observation
    plan: Plan


def consider(scope: Scope, role: Role | None = None) -> Prospect:
    """Look, decide and plan as a pass would; `role`: assumed, whatever keepalived says. Changes nothing."""
    making = Pass(scope, role=role)
    verdict, observation = making.look()
    return Prospect(scope, verdict, observation, making.actor.plan(verdict, observation))
