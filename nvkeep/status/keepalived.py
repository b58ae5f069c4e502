"""What status says of keepalived beside its role: why there is none, and that a boot does not start it."""

from contextlib import suppress

from nvkeep.core.observe import Observation
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.keepalived import ask, instances
from nvkeep.keepalived.names import UNIT
from nvkeep.model.role import Role
from nvkeep.probes import unit

NOT_AT_BOOT = (
    "keepalived is not enabled at boot: after a reboot this host gets no role before you type: systemctl start keepalived"
)
FAULT = "keepalived is in FAULT here although the flag is 1, so it will not become master; nvkeep check --host"
HEEDED_S = 1.5  # until keepalived has heeded a flag that was just raised: before 2.0.18 it looks once a second


def trouble(scope: Scope, observation: Observation) -> list[str]:
    """Say why keepalived gives this host no role, or not the one that it may have."""
    if observation.asked.by_hand:
        return []
    if observation.facts.role is Role.NONE:
        return [_no_role(scope)]
    return [FAULT] if observation.facts.role is Role.FAULT and _ignores_the_flag(scope) else []


def _no_role(scope: Scope) -> str:
    """Distinguish a keepalived that was not started yet, as it should be where it is not enabled, from one in trouble."""
    with suppress(ProbeError):
        seen = unit.read(scope.host, UNIT)
        if seen.active == "inactive" and not seen.inactive_since:
            return "keepalived has not been started since this host booted, so it has no role; systemctl start keepalived"
    return "keepalived gives no role; systemctl status keepalived"


def _ignores_the_flag(scope: Scope) -> bool:
    """Return whether keepalived is in FAULT with a flag that is up, and stays so."""
    if not scope.store.flag():
        return False
    scope.host.sleep(HEEDED_S)
    return ask(scope.host).of(instances(scope.cluster, scope.service, scope.host.name)) is Role.FAULT and scope.store.flag()


def not_at_boot(scope: Scope) -> list[str]:
    """Say so where a boot does not start it; nothing where that is unknown."""
    with suppress(ProbeError):
        return [] if unit.enabled(scope.host, UNIT) else [NOT_AT_BOOT]
    return []
