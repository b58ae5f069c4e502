"""Handing a service over: let go of it by ordinary passes, and, where it is moved, see that another host takes it.

A pass knows that it is told to let go by what is on record (marks.py, state.py); here it is only made again until that is done.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from nvkeep import guard
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Action, Guard
from nvkeep.model.report import SETTLED, Report, Word
from nvkeep.model.spec import Cluster
from nvkeep.passes import run_pass
from nvkeep.probes import unit
from nvkeep.probes.unit import Entry
from nvkeep.state import Store

PAUSE = 0.5  # seconds between two passes
STEPS = 3  # times `timing.step` for what no unit is in the way of
LIMIT = 1200.0  # seconds in all; the unit is given 21 minutes, and systemd's reboot.target forces a reboot after 30
BRIEFLY = 10.0  # seconds for what cannot be told (a storage client that is gone): it is unlikely to change now
GONE = {str(action) for action in (Action.RELEASE, Action.ISOLATE)}
TAKEN_WITHIN = 10.0  # seconds another host has to take what was moved


def is_gone(report: Report) -> bool:
    """Tell whether a pass has left nothing of its service here."""
    return report.did in GONE and report.settled


@dataclass
class HandOver:
    """The end of one service on this host: passes, each with something `before` it, until nothing is left."""

    host: Host
    cluster: Cluster
    service: str
    steps: int = STEPS
    before: Callable[[], None] = lambda: None

    def run(self) -> Report:
        """Make passes until nothing is left: as long as systemd stops a unit, and then a while for the rest."""
        begun = idle = self.host.now()
        while True:
            self.before()
            report = run_pass(self.host, self.cluster, self.service)
            now, units = self.host.now(), self._units()
            if is_gone(report) or now - begun > LIMIT or now - idle > self._patience(report):
                return report
            idle = now if any(one.active == "deactivating" for one in units.values()) else idle
            self._unblock(units)
            self.host.sleep(PAUSE)

    def _patience(self, report: Report) -> float:
        known = [one for one in report.outcomes if one.word not in SETTLED and one.word is not Word.UNKNOWN]
        return self.steps * self.cluster.timing.step if known or report.did not in GONE else BRIEFLY

    def _units(self) -> dict[str, Entry]:
        seen = {}
        for name in self.cluster.services[self.service].units:
            with suppress(ProbeError):
                seen[name] = unit.read(self.host, name)
        return seen

    def _unblock(self, units: dict[str, Entry]) -> None:
        """Stop at once what systemd would stop only after this: such a unit is ordered before what this waits with."""
        for name, one in units.items():
            if one.active == "active" and one.job:
                with suppress(NvkeepError):
                    self.host.run(("systemctl", "stop", "--no-block", "--job-mode=ignore-dependencies", "--", name), 10.0)


class Moved(NamedTuple):
    """How a move ended: another host serves, or it was taken back, because of what is `left` or because nobody took it."""

    taken: bool
    left: Report | None = None


@dataclass
class Move:
    """One service on its way to another host."""

    host: Host
    cluster: Cluster
    service: str

    def run(self) -> Moved:
        """Let go, wait for another host, leave no trace of the order; serve here again what nobody took. Raises OSError."""
        store = Store(self.host, self.service)
        try:
            report = HandOver(self.host, self.cluster, self.service, 1, self._order).run()
            moved = Moved(taken=is_gone(report) and self._taken(), left=None if is_gone(report) else report)
        finally:
            store.end_move()
        if not moved.taken:
            run_pass(self.host, self.cluster, self.service)
        return moved

    def _order(self) -> None:
        """Record the order, for as long as a pass and the other host may take: one that is killed is over after that."""
        until = self.host.now() + 2 * self.cluster.timing.step + TAKEN_WITHIN
        Store(self.host, self.service).order_move(until)

    def _taken(self) -> bool:
        deadline = self.host.now() + TAKEN_WITHIN
        while self.host.now() < deadline:
            with suppress(ProbeError):  # what cannot be asked has not answered yet
                if guard.ask(self.host, self.cluster.services[self.service], self.cluster.timing) is Guard.SERVED:
                    return True
            self.host.sleep(PAUSE)
        return False
