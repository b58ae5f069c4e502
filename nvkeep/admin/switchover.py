"""Moving a service: release it in order, see that another host takes it, and take it back where none does.

Without ssh between the hosts it works as well; then nothing is asked beforehand, and "served" is what the guard hears.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from nvkeep.admin.drain import PASS_INTERVAL_S, Drain, serves
from nvkeep.admin.peers import Peers, Status, serving
from nvkeep.core import liveness
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import NotHere, NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Guard, Holder
from nvkeep.model.override import Kind
from nvkeep.model.report import Report
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.state.orders import Timestamps

POLL_INTERVAL_S = 0.1  # between two looks whether another host serves
STATUS_INTERVAL_S = 1.5  # between two questions whether it has failed to: each is an ssh
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
        every = Peers(self.host, self.cluster, self.service)
        self.targets = every.only(self.to) if self.to else every
        self.parked = every.only(*(name for name in every.names if name not in self.targets.names))
        if not self.targets.names:
            raise NotHere(f"{self.to} is no other host of {self.service}; it may run on {', '.join(self.spec.hosts)}")

    def run(self) -> Result:
        """Move the service, and leave no trace of the order. Raises NvkeepError before anything has changed."""
        if not self.force:
            self.targets.refuse_in_vain()
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
            return self._await() if report.gone else Result(why="it is not released", left=report)
        finally:
            self.timestamps.end_move()
            self._unpark()

    def _park(self) -> None:
        """Keep the hosts that are not meant from taking it, for a while should this be killed. Raises NvkeepError."""
        ends = ("--for", f"{self._longest:.0f}s", "--reason", f"it is being moved to {self.to}")
        self.parked.tell("override", "set", str(Kind.AWAY), self.service, *ends)

    def _unpark(self) -> None:
        with suppress(NvkeepError):
            self.parked.tell("override", "end", str(Kind.AWAY), self.service)

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
                if failed := _all_failed(self.targets.statuses()):
                    return Result(why=failed)
                asked = self.host.now()
            self.host.sleep(POLL_INTERVAL_S)
        if self.targets.holder():  # its unit takes long
            return self._confirmed(self._since())
        failures = "; ".join(_failures(self.targets.statuses()))
        return Result(why=failures or f"no other host took it within {TAKE_LIMIT_S:g} s")

    def _since(self) -> float:
        return self.host.now() - self.begun

    def _answered(self) -> bool:
        with suppress(ProbeError):  # what cannot be asked has not answered yet
            return liveness.ask(self.host, self.spec, self.cluster.timing) is Guard.SERVED
        return False

    def _confirmed(self, outage: float) -> Result:
        """See which host serves, and that it goes on to: a unit may fail to start although the address is up."""
        deadline = self.begun + outage + self.cluster.timing.step
        while self.host.now() < deadline:
            statuses = self.targets.statuses()
            taker = serving(statuses)
            if taker or not any(statuses.values()):
                return Result(to=taker or "another host", outage=outage)
            if failed := _all_failed(statuses):
                return Result(why=failed)
            self.host.sleep(PASS_INTERVAL_S)
        return Result(
            why=f"{', '.join(self.targets.names)} began to take it, and did not serve it within {self.cluster.timing.step:g} s"
        )

    def _back(self, moved: Result) -> Result:
        """Serve here again what no other host serves, whatever keepalived says, but never from a host that has taken it.

        As a candidate this host takes what is free and seizes nothing; keepalived's master may be a host that does nothing.
        """
        deadline = self.host.now() + RETURN_LIMIT_S
        while self.host.now() < deadline:
            report = run_pass(self.host, self.cluster, self.service, role=Role.CANDIDATE)
            if serves(self.host, report):
                return moved._replace(here=True)
            if report.holder == Holder.ANOTHER and (taker := self.targets.server()):
                return Result(to=taker, outage=self._since())
            self.host.sleep(PASS_INTERVAL_S)
        return moved._replace(why=f"{moved.why}, and this host does not serve it again either: {report.why}")


def _failures(statuses: Mapping[str, Status]) -> list[str]:
    """Say which hosts could not serve, and why, as far as they can be asked."""
    failed = {name: status for name, status in statuses.items() if not status.get("eligible", True)}
    return [f"{name} could not serve it: {status['eligible_why']}" for name, status in failed.items()]


def _all_failed(statuses: Mapping[str, Status]) -> str:
    """Say why none of these hosts could serve; empty while one still may, or cannot be asked."""
    failures = _failures(statuses)
    return "; ".join(failures) if len(failures) == len(statuses) else ""
