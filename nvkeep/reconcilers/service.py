"""The kind `service`: a systemd unit. Jobs are queued and watched, never waited for blindly: a stop may take an hour."""

from collections.abc import Iterator, Sequence
from dataclasses import field

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.finding import Found, seen, unknown
from nvkeep.model.frozen import frozen
from nvkeep.probes import at_boot
from nvkeep.probes import unit as probe
from nvkeep.reconcilers.base import Kind, Steps, steps

COMMAND_TIMEOUT_S = 10.0  # --no-block only queues
REFUSED = "refused by its start limit"


@frozen
class UnitState:
    """`phase` is active, or what systemd is doing with it; `job` tells that more is queued."""

    phase: str
    job: bool = field(default=False, compare=False)


class UnitKind(Kind[str, UnitState]):
    """Active."""

    name = "service"
    title = "SERVICE"
    turn = 1
    disturbed = True  # systemd answers and starts with one thread; a unit serves long before it is active
    hurry = 5.0  # what was killed and does not end hangs in the kernel, until the volume is gone

    def observe(self, host: Host, spec: str) -> UnitState | None:
        """Inactive and failed are both absent, unless its start limit refuses every start; a queued job is on its way."""
        now = probe.read(host, spec)
        if now.active in ("active", "reloading", "refreshing"):
            return UnitState("active", now.job)
        if now.active in ("activating", "deactivating"):
            return UnitState(now.active, job=True)
        refused = now.active == "failed" and now.result == "start-limit-hit"
        return UnitState("queued", job=True) if now.job else UnitState(REFUSED) if refused else None

    def desired(self, spec: str) -> UnitState:  # noqa: ARG002 - the same for every unit
        """Give the state asked for."""
        return UnitState("active")

    def acquire(self, spec: str) -> Steps:
        """Start."""
        return steps(("systemctl", "start", "--no-block", "--", spec), timeout=COMMAND_TIMEOUT_S)

    def release(self, spec: str, have: UnitState) -> Steps:
        """Stop; what only failed is forgotten, so that the next start is not refused."""
        if have.phase == REFUSED:
            return _forget(spec)
        return steps(("systemctl", "stop", "--no-block", "--", spec), timeout=COMMAND_TIMEOUT_S)

    def adjust(self, spec: str, have: UnitState) -> Steps | None:
        """Start what its start limit refuses; else run nothing: systemd is starting or stopping it already."""
        return _forget(spec) + self.acquire(spec) if have.phase == REFUSED else ()

    def isolate(self, spec: str, have: UnitState) -> Steps:
        """Stop, so that nothing is restarted, and kill, so that nobody waits for a flush that cannot succeed."""
        if have.phase == REFUSED:
            return _forget(spec)
        kill = ("systemctl", "kill", "--signal=SIGKILL", "--", spec)
        return steps(("systemctl", "stop", "--no-block", "--", spec), kill, timeout=COMMAND_TIMEOUT_S)

    def pending(self, have: UnitState | None, *, leaving: bool) -> bool:
        """While systemd works on it there is nothing to do but look."""
        if have is None or have.phase == REFUSED:
            return False
        if leaving:
            return have.phase == "deactivating" or (have.phase == "active" and have.job)
        return have.phase != "active"

    def failure(self, host: Host, spec: str) -> str:
        """Say what systemd says, and where to read more."""
        now = probe.read(host, spec)
        if now.load == "not-found":
            return f"systemd knows no unit {spec}; install it on this host"
        if now.result == "timeout":
            raised = f"systemctl edit {spec}, and write TimeoutStartSec=infinity under [Service]"
            return f"{spec} was not up within its TimeoutStartSec, and systemd killed it; where a start takes longer: {raised}"
        return f"{spec} is {now.active} ({now.result or now.sub}); journalctl -u {spec} -n 20"

    def prerequisites(self, host: Host, specs: Sequence[str], *, thorough: bool) -> Iterator[Found]:  # noqa: ARG002 - quick
        """Systemd knows every unit, and starts none at boot: neither by itself nor through another."""
        try:
            installed = at_boot.look(host, specs)
        except (ProbeError, OSError) as error:
            yield from (unknown(f"{self.title} {name}", error) for name in specs)
            return
        yield from (seen(f"{self.title} {name}", outcome) for name, outcome in installed.items())


def _forget(spec: str) -> Steps:
    return steps(("systemctl", "reset-failed", "--", spec), timeout=COMMAND_TIMEOUT_S)
