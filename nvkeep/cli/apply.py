"""examples:
  nvkeep apply                          every service of this host
  nvkeep apply -f /tmp/cluster.yaml nfs  one service, by another file

exit codes:
  0  settled: nothing is left to do
  1  not settled: the output names what is missing
  2  cluster.yaml is wrong, or names no service for this host; nothing was changed (where it is the installed file, this
     host may take no role until it is fixed)
  5  stuck: something was not released, and what it stands on was kept
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from nvkeep import log
from nvkeep.cli.common import chosen, file_option, refuse_others_than_root, refuse_unsafe_state, services_option
from nvkeep.config import DEFAULT_FILE, load
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import ConfigError, UnsafeFile
from nvkeep.host import LocalHost
from nvkeep.model.report import SETTLED, Report, Word
from nvkeep.state import host as host_state

UNSETTLED, STUCK = 1, 5


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what changed or is wrong (for the timer)")
    parser.add_argument("--overdue", action="store_true", help="only if a service has had no pass for a while (for the timer)")


def run(arguments: argparse.Namespace) -> int:
    """Make one pass over each service, side by side."""
    log.setup(quiet=True)
    refuse_unsafe_state()
    try:
        host = LocalHost()
        cluster = load(arguments.file, host)
    except (ConfigError, UnsafeFile):
        if arguments.file == DEFAULT_FILE:  # what this host lives by is wrong: it must not get a role
            host_state.lower_all_flags(LocalHost())
        raise
    services = chosen(cluster, host.name, arguments.services)
    refuse_others_than_root()
    with ThreadPoolExecutor(max(1, len(services))) as pool:
        reports = list(pool.map(lambda service: run_pass(host, cluster, service), services))
    for report in reports:
        if not arguments.quiet or not _uneventful(report):
            _tell(report)
    return exit_code(reports)


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
