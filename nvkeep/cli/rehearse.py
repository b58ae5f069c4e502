"""examples:
  nvkeep rehearse nfs --back        move nfs to another host and back, and measure how long its clients wait
  nvkeep rehearse nfs --to srv-b    move it there, and leave it there

This really moves the service. A client on this host asks through the floating address all the time: by `health:`, else by
ping. The outcome is compared with `rto:` of the service, and `nvkeep status` shows it until the configuration changes.

exit codes:
  0  moved, and within `rto:` where that is set
  1  not moved, or not back; or it took longer than `rto:`: the message says what
  2  cluster.yaml is wrong, or this host does not serve the service
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.admin.rehearsal import rehearse
from nvkeep.cli.common import ordered, service_options
from nvkeep.errors import NotHere
from nvkeep.state.service import Store


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    service_options(parser, argparse.SUPPRESS)
    parser.add_argument("--to", metavar="HOST", default="", help="default: whichever takes it")
    parser.add_argument("--back", action="store_true", help="and move it back here")


def run(arguments: argparse.Namespace) -> int:
    """Rehearse, and say how it went."""
    cluster, host, service = ordered(arguments)
    if not Store(host, service).serving(cluster.timing.step):
        raise NotHere(f"{host.name} does not serve {service}; type this on the host that does: nvkeep status {service}")
    took = rehearse(host, cluster, service, to=arguments.to, back=arguments.back, say=print)
    rto = cluster.services[service].rto
    if rto is None:
        return 0
    well = took.longest <= rto
    print(f"{service}: {'within' if well else 'longer than'} rto: {rto:g} s")
    return 0 if well else 1
