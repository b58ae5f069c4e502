"""Backend `drbd`: a DRBD resource (8.4 or 9); its Primary holds.

DRBD refuses a second Primary while the hosts see each other. For the time when they do not, configure
`fencing resource-and-stonith`: it suspends the writes of a Primary that lost its peer, which makes the other's promotion safe.
"""

from types import MappingProxyType
from typing import Literal

from nvkeep.errors import CommandError, Denied, ProbeError, StepError, Transient
from nvkeep.host import Completed, Host
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Lack
from nvkeep.model.names import check_name
from nvkeep.model.plan import Steps, steps
from nvkeep.model.spec import VolumeSpec
from nvkeep.probes import drbd as probe
from nvkeep.probes.tool import Tool
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding, Unique, Volume

COMMAND_TIMEOUT_S = 20.0
CUT_TIMEOUT_S = 5.0  # neither command waits for I/O
PRIMARY, ALONE = "Primary", "StandAlone"


class DrbdVolume(VolumeSpec):
    """A DRBD resource with one volume; it must be up on all hosts of the service."""

    backend: Literal["drbd"] = "drbd"
    resource: str

    def __post_init__(self) -> None:
        check_name(self.name)
        check_name(self.resource, "write it as `drbdadm status` prints it", "a DRBD resource")

    @property
    def device(self) -> str:
        """The name udev gives to the first volume of the resource."""
        return f"/dev/drbd/by-res/{self.resource}/0"


class DrbdBackend(Backend[DrbdVolume]):
    """Primary is the holder. A peer that cannot be seen may be Primary: it counts as the holder until nobody serves.

    A Primary without I/O whose peers DRBD refuses to speak to (StandAlone) was passed over: another went on with the data.
    While it still calls for them, it may be the only one: it holds, and releases when its I/O has waited for too long.
    """

    Spec = DrbdVolume
    unique = (Unique("resource", "resource", "write another resource"),)
    examples = MappingProxyType({"resource": "resource: NAME"})
    betrayed = True
    tools = (Tool(("drbdadm", "--version"), "apt install drbd-utils"),)

    def lacking(self, host: Host, ask: Ask[DrbdVolume]) -> Lack | None:
        """Look whether DRBD knows the resource here, and whether its data may be served."""
        resource = ask.spec.resource
        try:
            seen = probe.read(host, resource)
            if seen.role != PRIMARY:
                _refuse_old_data(seen, resource)
        except ProbeError as error:
            return Lack(error.why, error.fix or f"drbdadm status {resource}")
        return None

    def observe(self, host: Host, ask: Ask[DrbdVolume]) -> Volume | None:
        """Look at the role here; Secondary is absent."""
        seen = probe.read(host, ask.spec.resource)
        return Volume(ask.spec.device, io=seen.io, detail=seen.disk) if seen.role == PRIMARY else None

    def holder(self, host: Host, ask: Ask[DrbdVolume]) -> Holding:
        """Ask for the roles of all hosts of the resource."""
        seen = probe.read(host, ask.spec.resource)
        if seen.role == PRIMARY:
            passed_over = not seen.io and bool(seen.peers) and all(peer.connection == ALONE for peer in seen.peers)
            return Holding(Holder.ANOTHER, _name(ask, seen, seen.peers[0])) if passed_over else Holding(Holder.ME, ask.host)
        _refuse_old_data(seen, ask.spec.resource)
        primary = next((peer for peer in seen.peers if peer.role == PRIMARY), None)
        other = primary or next((peer for peer in _hosts(ask, seen) if peer.connection != "Connected"), None)
        return Holding(Holder.ANOTHER, _name(ask, seen, other)) if other else Holding(Holder.NOBODY)

    def acquire(self, ask: Ask[DrbdVolume]) -> Steps:
        """Become Primary; DRBD refuses when another host is."""
        return steps(("drbdadm", "primary", ask.spec.resource), timeout=COMMAND_TIMEOUT_S)

    def release(self, ask: Ask[DrbdVolume], have: Volume) -> Steps:  # noqa: ARG002 - the same from every state
        """Become Secondary; refused while the device is in use."""
        return steps(("drbdadm", "secondary", ask.spec.resource), timeout=COMMAND_TIMEOUT_S)

    def seize(self, ask: Ask[DrbdVolume], version: int | None) -> Steps:  # noqa: ARG002 - DRBD has no reservation versions
        """Become Primary without seeing the other host; refused all the same while a connected peer is Primary."""
        return steps(("drbdadm", "primary", "--force", ask.spec.resource), timeout=COMMAND_TIMEOUT_S)

    def cut(self, ask: Ask[DrbdVolume], have: Volume) -> Steps:
        """Give up the copy here, then let what waits go on: in this order that fails, in the other it would be written."""
        commands = (("drbdadm", "detach", "--force", ask.spec.resource), ("drbdadm", "resume-io", ask.spec.resource))
        return () if have.io else steps(*commands, timeout=CUT_TIMEOUT_S)

    def judge(self, spec: Ask[DrbdVolume], done: Completed) -> StepError:
        """Tell a refusal because of another Primary from a device that is still open."""
        error = CommandError(done.argv, done.code, done.err or done.out)
        if "Multiple primaries not allowed" in error.stderr:
            return Denied(str(error))
        return Transient(str(error)) if "held open" in error.stderr else super().judge(spec, done)


def _refuse_old_data(seen: probe.Entry, resource: str) -> None:
    """Raise ProbeError where another host may have gone on without this one: what is here must not be served."""
    if seen.disk != "UpToDate":
        fix = f"drbdadm attach {resource}" if seen.disk == "Diskless" else f"drbdadm status {resource}"
        raise ProbeError(f"the DRBD disk here is {seen.disk}: it may not have all the data", fix)
    if any(peer.connection == ALONE and peer.disk != "Outdated" for peer in seen.peers):
        fix = f"drbdadm connect --discard-my-data {resource} on the host whose data shall go"
        raise ProbeError(f"DRBD is {ALONE} here: the other host may have gone on with the data", fix)


def _hosts(ask: Ask[DrbdVolume], seen: probe.Entry) -> list[probe.Peer]:
    """Pick the peers that are hosts of the service: a third node that is away, for disaster recovery, can hold nothing.

    Raises ProbeError while DRBD does not list them all, as in the middle of `drbdadm up`.
    """
    others = [host for host in ask.hosts if host != ask.host]
    if len(seen.peers) < len(others):
        raise ProbeError(
            f"DRBD lists {len(seen.peers)} connections of {ask.spec.resource}; its service has {len(others)} other hosts"
        )
    named = [peer for peer in seen.peers if peer.name in others]
    return named if len(named) == len(others) else list(seen.peers)


def _name(ask: Ask[DrbdVolume], seen: probe.Entry, peer: probe.Peer) -> str:
    """Name a peer's host; of two hosts it is the other, whatever DRBD calls it."""
    others = [host for host in ask.hosts if host != ask.host]
    return others[0] if len(others) == len(seen.peers) == 1 else peer.name


BACKEND = DrbdBackend()
