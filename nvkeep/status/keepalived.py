"""What status says of keepalived beside its role: why there is none, and that a boot does not start it."""

from contextlib import suppress

from nvkeep.core.observe import Observation
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.keepalived.names import UNIT
from nvkeep.model.role import Role
from nvkeep.probes import unit

NOT_AT_BOOT = (
    "keepalived is not enabled at boot: after a reboot this host gets no role before you type: systemctl start keepalived"
)
FAULT = "keepalived is in FAULT here, although this host may take over: it will not become master; nvkeep check --host"


def no_role(scope: Scope, observation: Observation) -> list[str]:
    """Distinguish a keepalived that was not started yet, as it should be where it is not enabled, from one in trouble."""
    if observation.asked.by_hand:
        return []
    if observation.facts.role is not Role.NONE:
        return [FAULT] if observation.facts.role is Role.FAULT and scope.store.flag() else []
    with suppress(ProbeError):
        seen = unit.read(scope.host, UNIT)
        if seen.active == "inactive" and not seen.inactive_since:
            return ["keepalived has not been started since this host booted, so it has no role; systemctl start keepalived"]
    return ["keepalived gives no role; systemctl status keepalived"]


def not_at_boot(scope: Scope) -> list[str]:
    """Say so where a boot does not start it; nothing where that is unknown."""
    with suppress(ProbeError):
        return [] if unit.enabled(scope.host, UNIT) else [NOT_AT_BOOT]
    return []
