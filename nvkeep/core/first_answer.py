"""When the service answers first: a unit may count as starting for seconds after that, and its clients wait no longer."""

from contextlib import suppress

from nvkeep.core import liveness
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.model.health import port_of
from nvkeep.model.plan import Ref
from nvkeep.reconcilers import UNIT

LIMIT_S = 0.05  # to connect, and to answer: while a unit starts, nothing else may wait for that


class FirstAnswer:
    """Asks by `health:` whenever a unit is looked at again. `at`: seconds since boot, 0 until it answers."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.at = 0.0

    def ask(self, key: Ref) -> None:
        """Ask, while a unit is on its way."""
        health = self.scope.spec.health
        if key.kind == UNIT.name and not self.at and health and port_of(health):  # a command may take longer than that
            with suppress(ProbeError):
                if liveness.answered(self.scope.host, self.scope.spec, LIMIT_S, LIMIT_S):
                    self.at = self.scope.host.now()
