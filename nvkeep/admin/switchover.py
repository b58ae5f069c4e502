"""Moving a service: release it in order, see that another host takes it, and take it back where none does.

Without ssh between the hosts it works as well; then nothing is asked beforehand, and "served" is what the guard hears.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from nvkeep.admin.drain import PASS_INTERVAL_S, Drain, is_gone
from nvkeep.admin.orders import others, refuse_in_vain, serves, status_of, tell
from nvkeep.core import liveness
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import NotHere, NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.host.ssh import Peer
from nvkeep.model.decision import Guard, Holder
from nvkeep.model.override import Kind
from nvkeep.model.report import Report
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.state.orders import Timestamps
from nvkeep.status.cluster import holds, whole

POLL_INTERVAL_S = 0.1  # between two looks whether another host serves
STATUS_INTERVAL_S = (
    1.5  # between two questions whether it has failed to: that is an ssh, and a failed start is told for a while
)
TAKE_LIMIT_S = 10.0  # another host has to take what was released; longer while it is seen to start
RETURN_LIMIT_S = 30.0  # in which this host gets the role again, and serves


class Result(NamedTuple):
    """How a move ended: `to` which host, or, where that is empty, why not, and whether it is served `here` again.

    `left`: what was not released; `outage`: seconds from the order to the first answer from there.
    """

    to: str = ""
    why: str = ""
    left: Report | None = None
    outage: float = 0.0
    here: bool = False


@dataclass
class Switchover:
    """One service on its way to another host: `to` a certain one, or to whichever takes it."""

    host: Host
    cluster: Cluster
    service: str
    to: str = ""
    say: Callable[[str], None] = lambda _: None
    force: bool = False  # also to hosts of which nobody can say that they may take it

    def __post_init__(self) -> None:
        self.begun = self.host.now()
        self.spec, self.timestamps = self.cluster.services[self.service], Timestamps(self.host, self.service)
        every = others(self.host, self.cluster, self.service)
        self.targets = [peer for peer in every if self.to in ("", peer.name)]
        self.parked = [peer for peer in every if peer not in self.targets]
        if not self.targets:
            raise NotHere(f"{self.to} is no other host of {self.service}; it may run on {', '.join(self.spec.hosts)}")

    def run(self) -> Result:
        """Move the service, and leave no trace of the order. Raises NvkeepError before anything has changed."""
        if not self.force:
            refuse_in_vain(self.targets, self.cluster, self.service)
        with self.timestamps.alone():
            moved = self._release()
            moved = moved if moved.to else self._back(moved)
            if moved.to:
                run_pass(self.host, self.cluster, self.service)  # from now on this host stands by
            return moved

    def _release(self) -> Result:
        try:
            self._park()
            self.begun = self.host.now()
            report = Drain(self.host, self.cluster, self.service, 1, self._order).run()
            return self._await() if is_gone(report) else Result(why="it is not released", left=report)
        finally:
            self.timestamps.end_move()
            self._unpark()

    def _asked(self, peer: Peer) -> dict[str, Any]:
        return status_of(peer, self.cluster, self.service)

    def _park(self) -> None:
        """Keep the hosts that are not meant from taking it, for a while should this be killed. Raises NvkeepError."""
        ends = ("--for", f"{self._longest:.0f}s", "--reason", f"it is being moved to {self.to}")
        tell(self.parked, "override", "set", str(Kind.AWAY), self.service, *ends)

    def _unpark(self) -> None:
        with suppress(NvkeepError):
            tell(self.parked, "override", "end", str(Kind.AWAY), self.service)

    def _order(self) -> None:
        """Record the order; one that is killed is over after its time."""
        self.timestamps.order_move(self.host.now() + self._longest)

    @property
    def _longest(self) -> float:
        """Seconds that a pass and the other host may take."""
        return 2 * self.cluster.timing.step + TAKE_LIMIT_S

    def _await(self) -> Result:
        """Wait until the address or health of another host answers, and it says that all is there, if it can be asked."""
        self.say(f"{self.service}: nothing is left here {self._since():.1f} s after the order")
        asked = self.host.now()
        deadline = asked + TAKE_LIMIT_S
        while self.host.now() < deadline:
            if self._answered():
                return self._confirmed(self._since())
            if self.host.now() - asked > STATUS_INTERVAL_S:
                if len(failed := self._failures()) == len(self.targets):
                    return Result(why="; ".join(failed))
                asked = self.host.now()
            self.host.sleep(POLL_INTERVAL_S)
        if any(holds(self._asked(peer)) for peer in self.targets):  # its unit takes long
            return self._confirmed(self._since())
        return Result(why="; ".join(self._failures()) or f"no other host took it within {TAKE_LIMIT_S:g} s")

    def _since(self) -> float:
        return self.host.now() - self.begun

    def _failures(self) -> list[str]:
        """Say which target could not serve, and why, as far as they can be asked."""
        seen = {peer.name: self._asked(peer) for peer in self.targets}
        return [
            f"{name} could not serve it: {status['eligible_why']}"
            for name, status in seen.items()
            if not status.get("eligible", True)
        ]

    def _answered(self) -> bool:
        with suppress(ProbeError):  # what cannot be asked has not answered yet
            return liveness.ask(self.host, self.spec, self.cluster.timing) is Guard.SERVED
        return False

    def _confirmed(self, outage: float) -> Result:
        """See which host serves, and that it goes on to: a unit may fail to start although the address is up."""
        deadline = self.begun + outage + self.cluster.timing.step
        while self.host.now() < deadline:
            seen = {peer.name: self._asked(peer) for peer in self.targets}
            taker = next((name for name, status in seen.items() if whole(status)), "")
            if taker or not any(seen.values()):
                return Result(to=taker or "another host", outage=outage)
            if len(failed := self._failures()) == len(self.targets):
                return Result(why="; ".join(failed))
            self.host.sleep(PASS_INTERVAL_S)
        names = ", ".join(peer.name for peer in self.targets)
        return Result(why=f"{names} began to take it, and did not serve it within {self.cluster.timing.step:g} s")

    def _back(self, moved: Result) -> Result:
        """Serve here again what no other host serves, whatever keepalived says, but never from a host that has taken it.

        As a candidate this host takes what is free and seizes nothing; keepalived's master may be a host that does nothing.
        """
        deadline = self.host.now() + RETURN_LIMIT_S
        while self.host.now() < deadline:
            report = run_pass(self.host, self.cluster, self.service, role=Role.CANDIDATE)
            if serves(self.host, report):
                return moved._replace(here=True)
            if report.holder == Holder.ANOTHER and (
                taker := next((peer.name for peer in self.targets if self._whole(peer)), "")
            ):
                return Result(to=taker, outage=self._since())
            self.host.sleep(PASS_INTERVAL_S)
        return moved._replace(why=f"{moved.why}, and this host does not serve it again either: {report.why}")

    def _whole(self, peer: Peer) -> bool:
        return whole(self._asked(peer))
