"""What an administrator wants to know beside how the resources stand: what is in the way, what was chosen, what failed last."""

from contextlib import suppress
from typing import Any

from nvkeep.checks import consistency
from nvkeep.core import bookkeeping
from nvkeep.core.observe import Observation
from nvkeep.core.reconcile import Pass
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.model.role import Role
from nvkeep.model.timers import Blocked
from nvkeep.probes import fifo, unit
from nvkeep.reconcilers import UNIT
from nvkeep.state import host as host_state
from nvkeep.state.orders import Overrides
from nvkeep.unmount.forecast import forecast

QUOTED = 5  # lines of a unit's journal
NEW_HERE = "no pass is on record here: until this host has heard the other, or for a minute, it seizes nothing; nvkeep apply"
KEEPALIVED = "keepalived.service"
NOT_AT_BOOT = "keepalived is not enabled at boot: after a reboot this host takes no role until: systemctl start keepalived"


def held(one: Pass) -> Blocked | None:
    """Read why the service is held here."""
    try:
        return one.store.held()
    except ProbeError:  # told among the warnings
        return None


def journal(one: Pass, failed: list[str]) -> tuple[str, ...]:
    """Quote the last lines of what did not start: the next thing anybody would look for."""
    units = [key.removeprefix(f"{UNIT.name} ") for key in failed if key.startswith(f"{UNIT.name} ")]
    found: list[str] = []
    for name in units:
        with suppress(NvkeepError, OSError):
            done = one.host.run(("journalctl", "-u", name, "-n", str(QUOTED), "--no-pager", "-q", "-o", "short"), 5.0)
            found += [f"{name}: {line}" for line in done.out.splitlines()]
    return tuple(found)


def age(one: Pass, last: dict[str, Any]) -> float:
    """Give the seconds since the last pass."""
    return max(0.0, one.host.now() - float(last["at"]))


def warnings(one: Pass, observation: Observation, last: dict[str, Any]) -> list[str]:
    """Say what takes high availability away although the service itself may stand well."""
    unready = map(str, bookkeeping.unready(one.scope, observation))
    found = [*dict.fromkeys(filter(None, (*observation.problems, fifo.deaf(one.host), *unready)))]
    found += consistency.disagreements(one.host, one.service)
    if observation.facts.role is Role.NONE and not observation.asked.by_hand:
        found.append(_no_role(one))
    found += [each for each in _expired(one) if each not in found]
    if not one.store.listened():
        found.append(NEW_HERE)
    return found + [late(one, last)] * bool(late(one, last))


def late(one: Pass, last: dict[str, Any]) -> str:
    """Say that no passes are made here; empty while they are."""
    allowed = 3 * one.cluster.timing.reconcile
    overdue = last and age(one, last) > allowed
    return f"no pass for more than {allowed:g} s; systemctl status nvkeep nvkeep-reconcile.timer" if overdue else ""


def _no_role(one: Pass) -> str:
    """Tell a keepalived that was not started yet, which is how it should be where it is not enabled, from one in trouble."""
    with suppress(ProbeError):
        seen = unit.read(one.host, KEEPALIVED)
        if seen.active == "inactive" and not seen.inactive_since:
            return "keepalived was not started since this host booted: no role until: systemctl start keepalived"
    return "keepalived gives no role; systemctl status keepalived"


def orders(one: Pass) -> list[str]:
    """List the orders by hand that hold here; one that cannot be read is told among the warnings."""
    try:
        return Overrides(one.host).in_force(one.service)
    except ProbeError:
        return []


def _expired(one: Pass) -> list[str]:
    try:
        return Overrides(one.host).expired(one.service)
    except ProbeError as error:
        return [str(error)]


def notes(one: Pass) -> list[str]:
    """Say what is as somebody has chosen, and worth knowing before the next reboot."""
    found = ["this host is going down: everything is released"] if host_state.leaving(one.host) else []
    with suppress(ProbeError):
        if not unit.enabled(one.host, KEEPALIVED):
            found.append(NOT_AT_BOOT)
    return found + consistency.uncompared(one.host, one.cluster, one.service)


def blockers(one: Pass) -> list[str]:
    """Name those who would keep a release waiting, before one is needed; the service's own units are none of them."""
    try:
        return [str(blocker) for blocker in forecast(one.host, one.spec, deep=False) if not blocker.own]
    except ProbeError as error:
        return [str(error)]
