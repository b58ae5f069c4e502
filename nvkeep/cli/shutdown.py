"""example:
  nvkeep shutdown     what nvkeep-shutdown.service runs when the system goes down; nobody else needs to

Hands every service over, in order. It works only while /run/nvkeep/leaving is there, which that unit makes when systemd stops
it. To hand the services of this host over without a shutdown: systemctl stop keepalived

exit codes:
  0  nothing of any service is left here
  1  something did not let go in its time: it is named, and this host may take no role any more
  2  the system does not go down, or cluster.yaml is wrong: nothing was done
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from nvkeep import log, marks, state
from nvkeep.cli.common import file_option, load
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Action
from nvkeep.model.report import SETTLED, Report, Word
from nvkeep.model.spec import Cluster
from nvkeep.passes import run_pass
from nvkeep.probes import unit
from nvkeep.probes.unit import Entry

REFUSED = 2
PAUSE = 0.5  # seconds between two passes
STEPS = 3  # times `timing.step` for what no unit is in the way of
LIMIT = 1200.0  # seconds in all; the unit is given 21 minutes, and systemd's reboot.target forces a reboot after 30
BRIEFLY = 10.0  # seconds for what cannot be told (a storage client that is gone): it is unlikely to change now
GONE = {str(action) for action in (Action.RELEASE, Action.ISOLATE)}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Let go of everything."""
    log.setup(quiet=True)
    cluster, host = load(arguments)
    if not marks.leaving(host):
        print(f"{state.LEAVING} is not there: the system does not go down; nothing was done", file=sys.stderr)
        return REFUSED
    services = cluster.services_of(host.name) if host.name in cluster.hosts else ()
    with ThreadPoolExecutor(max(1, len(services))) as pool:
        reports = list(pool.map(lambda service: HandOver(host, cluster, service).run(), services))
    for report in reports:
        _tell(report)
    return 0 if all(map(is_gone, reports)) else 1


def is_gone(report: Report) -> bool:
    """Tell whether a pass has left nothing of its service here."""
    return report.did in GONE and report.settled


def _tell(report: Report) -> None:
    if is_gone(report):
        print(f"{report.service}: nothing of it is left here")
        return
    print(f"{report.service}: {report.did}: {report.why}", file=sys.stderr)
    for outcome in report.outcomes:
        if outcome.word not in SETTLED:
            print(f"  {outcome.word} {outcome.key}: {outcome.reason}", file=sys.stderr)


@dataclass
class HandOver:
    """The end of one service on this host."""

    host: Host
    cluster: Cluster
    service: str

    def run(self) -> Report:
        """Make passes until nothing is left: as long as systemd stops a unit, and then a while for the rest."""
        begun = idle = self.host.now()
        while True:
            report = run_pass(self.host, self.cluster, self.service)
            now, units = self.host.now(), self._units()
            if is_gone(report) or now - begun > LIMIT or now - idle > self._patience(report):
                return report
            idle = now if any(one.active == "deactivating" for one in units.values()) else idle
            self._unblock(units)
            self.host.sleep(PAUSE)

    def _patience(self, report: Report) -> float:
        known = [one for one in report.outcomes if one.word not in SETTLED and one.word is not Word.UNKNOWN]
        return STEPS * self.cluster.timing.step if known or report.did not in GONE else BRIEFLY

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
