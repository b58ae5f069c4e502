"""The kind `service`: a systemd unit. Jobs are queued and watched, never waited for blindly: a stop may take an hour."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.finding import Found, Lack, looked, unknown
from nvkeep.probes import unit as probe
from nvkeep.reconcilers.base import Kind, Steps, steps

COMMAND_TIMEOUT_S = 10.0  # --no-block only queues


@dataclass(frozen=True)
class UnitState:
    """`phase` is active, or what systemd is doing with it; `job` tells that more is queued."""

    phase: str
    job: bool = field(default=False, compare=False)


class UnitKind(Kind[str, UnitState]):
    """Active."""

    name = "service"
    title = "SERVICE"
    turn = 1
    hurry = 5.0  # what was killed and does not end hangs in the kernel, until the volume is gone

    def observe(self, host: Host, spec: str) -> UnitState | None:
        """Inactive and failed are both absent; a queued job is on its way."""
        seen = probe.read(host, spec)
        if seen.active in ("active", "reloading", "refreshing"):
            return UnitState("active", seen.job)
        if seen.active in ("activating", "deactivating"):
            return UnitState(seen.active, job=True)
        return UnitState("queued", job=True) if seen.job else None

    def desired(self, spec: str) -> UnitState:  # noqa: ARG002 - the same for every unit
        """Give the state asked for."""
        return UnitState("active")

    def acquire(self, spec: str) -> Steps:
        """Start."""
        return steps(("systemctl", "start", "--no-block", "--", spec), timeout=COMMAND_TIMEOUT_S)

    def release(self, spec: str, have: UnitState) -> Steps:  # noqa: ARG002 - stop fits every phase
        """Stop."""
        return steps(("systemctl", "stop", "--no-block", "--", spec), timeout=COMMAND_TIMEOUT_S)

    def adjust(self, spec: str, have: UnitState) -> Steps | None:  # noqa: ARG002 - the same for every phase
        """Run nothing: systemd is starting or stopping it already."""
        return ()

    def isolate(self, spec: str, have: UnitState) -> Steps:  # noqa: ARG002 - kill fits every phase
        """Stop, so that nothing is restarted, and kill, so that nobody waits for a flush that cannot succeed."""
        kill = ("systemctl", "kill", "--signal=SIGKILL", "--", spec)
        return steps(("systemctl", "stop", "--no-block", "--", spec), kill, timeout=COMMAND_TIMEOUT_S)

    def pending(self, have: UnitState | None, *, leaving: bool) -> bool:
        """While systemd works on it there is nothing to do but look."""
        if have is None:
            return False
        if leaving:
            return have.phase == "deactivating" or (have.phase == "active" and have.job)
        return have.phase != "active"

    def failure(self, host: Host, spec: str) -> str:
        """Say what systemd says, and where to read more."""
        seen = probe.read(host, spec)
        if seen.load == "not-found":
            return f"systemd knows no unit {spec}; install it on this host"
        return f"{spec} is {seen.active} ({seen.result or seen.sub}); journalctl -u {spec} -n 20"

    def prerequisites(self, host: Host, specs: Sequence[str], *, thorough: bool) -> Iterator[Found]:  # noqa: ARG002 - quick
        """Systemd knows every unit, and starts none at boot: neither by itself nor through another."""
        try:
            units = probe.installed(host, specs) if specs else {}
            pulling = {other for unit in units.values() if not unit.at_boot for other in unit.pulled - probe.BOOT - {*specs}}
            others = probe.installed(host, sorted(pulling)) if pulling else {}
        except ProbeError as error:
            yield from (unknown(f"{self.title} {name}", error) for name in specs)
            return
        for name, unit in units.items():
            by = next((other for other in sorted(unit.pulled) if other in others and others[other].at_boot), "")
            yield looked(f"{self.title} {name}", partial(_unit, name, unit, by))


def _unit(name: str, unit: probe.Install, by: str) -> Lack | str:
    if unit.load == "not-found":
        return Lack(f"systemd knows no unit {name}", f"install it on this host; systemctl status {name}")
    if unit.load == "masked":
        return Lack(f"{name} is masked", f"systemctl unmask {name}")
    if unit.load != "loaded":
        return Lack(f"systemd cannot load {name} ({unit.load})", f"systemd-analyze verify {name}")
    if unit.at_boot:
        return Lack(f"{name} is enabled at boot, and nvkeep starts it", f"systemctl disable {name}")
    if by:
        return Lack(f"{name} is started at boot by {by}, and nvkeep starts it", f"systemctl disable {by}")
    return "there, and not started at boot"
