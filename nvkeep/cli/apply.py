"""examples:
  nvkeep apply                          every service of this host
  nvkeep apply -f /tmp/cluster.yaml nfs  one service, by another file
  nvkeep apply ./plan.json               what `nvkeep plan -o ./plan.json` has kept, unless anything has changed since

exit codes:
  0  settled: nothing is left to do
  1  not settled: the output names what is missing
  2  cluster.yaml is wrong, or names no service for this host; nothing was changed (where it is the installed file, this
     host may take no role until it is fixed)
  5  stuck: something was not released, and what it stands on was kept
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from nvkeep import log
from nvkeep.cli.common import chosen, file_option, refuse_others_than_root, refuse_unsafe_state, services_option
from nvkeep.config import DEFAULT_FILE, load
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import ConfigError, UnsafeFile
from nvkeep.host import Host, LocalHost
from nvkeep.model.report import SETTLED, Report, Word
from nvkeep.model.spec import Cluster
from nvkeep.state import host as host_state
from nvkeep.state.lateness import interval

UNSETTLED, STUCK = 1, 5


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what changed or is wrong (for the timer)")
    parser.add_argument("--overdue", action="store_true", help="only if a service has had no pass for a while (for the timer)")


def run(arguments: argparse.Namespace) -> int:
    """Make one pass over each service, side by side."""
    every = interval() if arguments.overdue else None
    return passes(arguments.file, arguments.services, quiet=arguments.quiet, every=every)


def passes(file: str, wanted: Sequence[str], *, quiet: bool = False, every: float | None = None) -> int:
    """Make them, tell what they did, and give the exit code; `every`: see _passes."""
    log.setup(quiet=True)
    refuse_unsafe_state()
    try:
        host = LocalHost()
        cluster = load(file, host)
    except (ConfigError, UnsafeFile):
        if file == DEFAULT_FILE:  # what this host lives by is wrong: it must not get a role
            host_state.lower_all_flags(LocalHost())
        raise
    refuse_others_than_root()
    if len(wanted) == 1 and set("/.") & set(wanted[0]):  # a file: no service has one of them in its name
        from nvkeep.admin import kept_plan  # noqa: PLC0415 - loaded only where it is used

        reports = kept_plan.run(host, cluster, wanted[0])
    else:
        reports = _passes(host, cluster, chosen(cluster, host.name, wanted), every)
    for report in reports:
        if not quiet or not _uneventful(report):
            _tell(report)
    return exit_code(reports)


def _passes(host: Host, cluster: Cluster, services: Sequence[str], every: float | None) -> list[Report]:
    """Make a pass over each service; while one takes long, or waits for another pass, the others get one every so many seconds.

    The timer starts no other process meanwhile, and one service's trouble must not be another's.
    """
    with ThreadPoolExecutor(max(1, len(services))) as pool:
        first = {service: pool.submit(run_pass, host, cluster, service) for service in services}
        last = dict(first)
        while wait(first.values(), every).not_done:
            done = [service for service, future in last.items() if future.done()]
            last |= {service: pool.submit(run_pass, host, cluster, service) for service in done}
        return [future.result() for future in last.values()]


def _uneventful(report: Report) -> bool:
    return all(outcome.word is Word.IN_SYNC for outcome in report.outcomes)


def _tell(report: Report) -> None:
    print(f"{report.service}: {report.did}: {report.why} (line {report.line})")
    for outcome in report.outcomes:
        if outcome.word is not Word.IN_SYNC:
            stream = sys.stdout if outcome.word in SETTLED else sys.stderr
            took = f" in {outcome.seconds:.2f} s" if outcome.ran else ""
            print(f"  {outcome.word:<10} {outcome.key}{took}: {outcome.reason}", file=stream)
    if _uneventful(report):
        print("  nothing to do")


def exit_code(reports: list[Report]) -> int:
    """Give the exit code of a pass over several services: the worst one."""
    if any(report.having(Word.STUCK) for report in reports):
        return STUCK
    return 0 if all(report.settled for report in reports) else UNSETTLED
