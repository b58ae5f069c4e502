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

from nvkeep import log, marks, state
from nvkeep.cli.common import file_option, load, tell_gone
from nvkeep.handover import let_go

REFUSED = 2


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
    return tell_gone(let_go(host, cluster, services))
