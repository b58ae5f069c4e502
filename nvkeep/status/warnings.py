"""What an administrator wants to know beside how the resources stand: what is in the way, what was chosen, what failed last."""

from contextlib import suppress
from typing import Any

from nvkeep.checks import consistency
from nvkeep.core.flag import unready
from nvkeep.core.observe import Observation
from nvkeep.core.scope import Scope
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import lines
from nvkeep.probes import fifo
from nvkeep.reconcilers import UNIT
from nvkeep.state import host as host_state
from nvkeep.state.orders import Overrides
from nvkeep.status import keepalived
from nvkeep.unmount.forecast import forecast

QUOTED = 5  # lines of a unit's journal
NEW_HERE = "no pass has run here yet: this host seizes nothing until it has heard the other, or for a minute; nvkeep apply"


def journal(scope: Scope, failed: list[str]) -> tuple[str, ...]:
    """Quote the last lines of what did not start: the next thing anybody would look for."""
    units = [key.removeprefix(f"{UNIT.name} ") for key in failed if key.startswith(f"{UNIT.name} ")]
    quoted: list[str] = []
    for name in units:
        with suppress(NvkeepError, OSError):
            done = scope.host.run(("journalctl", "-u", name, "-n", str(QUOTED), "--no-pager", "-q", "-o", "short"), 5.0)
            quoted += [f"{name}: {line}" for line in lines(done.out)]
    return tuple(quoted)


def age(scope: Scope, last: dict[str, Any]) -> float:
    """Give the seconds since the last pass."""
    return max(0.0, scope.host.now() - float(last["at"]))


def warnings(scope: Scope, observation: Observation, last: dict[str, Any]) -> list[str]:
    """Name what takes high availability away, although the service itself may be well."""
    lacking = map(str, unready(scope, observation))
    texts = [*dict.fromkeys(filter(None, (*observation.problems, fifo.deaf(scope.host), *lacking)))]
    texts += consistency.disagreements(scope.host, scope.service)
    texts += keepalived.trouble(scope, observation)
    texts += [expired for expired in _expired(scope) if expired not in texts]
    if (fencing := scope.store.fencing()).bars and fencing.assumed:
        texts.append(NEW_HERE)
    return texts + [late(scope, last)] * bool(late(scope, last))


def late(scope: Scope, last: dict[str, Any]) -> str:
    """Say that no passes are made here; empty while they are."""
    allowed = 3 * scope.cluster.timing.reconcile
    overdue = last and age(scope, last) > allowed
    return f"no pass for more than {allowed:g} s; systemctl status nvkeep nvkeep-reconcile.timer" if overdue else ""


def orders(scope: Scope) -> list[str]:
    """List the orders by hand that hold here; the warnings report one that cannot be read."""
    try:
        return Overrides(scope.host).in_force(scope.service)
    except ProbeError:
        return []


def _expired(scope: Scope) -> list[str]:
    try:
        return Overrides(scope.host).expired(scope.service)
    except ProbeError as error:
        return [str(error)]


def notes(scope: Scope) -> list[str]:
    """Say what is as somebody has chosen, and worth knowing before the next reboot."""
    texts = ["this host is going down: everything is released"] if host_state.leaving(scope.host) else []
    return texts + keepalived.not_at_boot(scope) + consistency.uncompared(scope.host, scope.cluster, scope.service)


def blockers(scope: Scope) -> list[str]:
    """Name those who would keep a release waiting, before one is needed; the service's own units are none of them."""
    try:
        return [str(blocker) for blocker in forecast(scope.host, scope.spec, deep=False) if not blocker.own]
    except ProbeError as error:
        return [str(error)]
