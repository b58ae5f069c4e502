"""Releasing a service by ordinary passes, made again until nothing of it is left here.

A pass knows from the record (state/) that it has to release.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from nvkeep.core.reconcile import run_pass
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.report import GONE, SETTLED, Report, Word
from nvkeep.model.spec import Cluster
from nvkeep.probes import unit
from nvkeep.probes.unit import Entry
from nvkeep.state.service import Store

PASS_INTERVAL_S = 0.5  # between two passes
STEP_COUNT = 3  # times `timing.step` for what no unit is in the way of
DRAIN_LIMIT_S = 1200.0  # in all; the unit is given 21 minutes, and systemd's reboot.target forces a reboot after 30
UNKNOWN_LIMIT_S = 10.0  # for what is unknown (a storage client that is gone): it is unlikely to change now


def serves(host: Host, report: Report) -> bool:
    """Return whether a service stands here, wholly, after a pass."""
    return Store(host, report.service).claimed() and report.settled


def drain(host: Host, cluster: Cluster, services: Sequence[str]) -> list[Report]:
    """Release several services side by side; what is only observed is left as it is."""
    ours = [service for service in services if cluster.services[service].mode == "act"]
    with ThreadPoolExecutor(max(1, len(ours))) as pool:
        return list(pool.map(lambda service: Drain(host, cluster, service).run(), ours))


@dataclass
class Drain:
    """The end of one service on this host: passes, each with something `before` it, until nothing is left."""

    host: Host
    cluster: Cluster
    service: str
    steps: int = STEP_COUNT
    before: Callable[[], None] = lambda: None

    def run(self) -> Report:
        """Make passes until nothing is left: as long as systemd stops a unit, and then a while for the rest."""
        begun = idle = self.host.now()
        while True:
            self.before()
            report = run_pass(self.host, self.cluster, self.service)
            now, units = self.host.now(), self._units()
            if report.gone or now - begun > DRAIN_LIMIT_S or now - idle > self._patience(report):
                return report
            idle = now if any(entry.active == "deactivating" for entry in units.values()) else idle
            self._unblock(units)
            self.host.sleep(PASS_INTERVAL_S)

    def _patience(self, report: Report) -> float:
        known = [outcome for outcome in report.outcomes if outcome.word not in SETTLED and outcome.word is not Word.UNKNOWN]
        return self.steps * self.cluster.timing.step if known or report.did not in GONE else UNKNOWN_LIMIT_S

    def _units(self) -> dict[str, Entry]:
        seen = {}
        for name in self.cluster.services[self.service].units:
            with suppress(ProbeError):
                seen[name] = unit.read(self.host, name)
        return seen

    def _unblock(self, units: dict[str, Entry]) -> None:
        """Stop at once what systemd would stop only after this: such a unit is ordered before what this waits with."""
        for name, entry in units.items():
            if entry.active == "active" and entry.job:
                with suppress(NvkeepError):
                    self.host.run(("systemctl", "stop", "--no-block", "--job-mode=ignore-dependencies", "--", name), 10.0)
