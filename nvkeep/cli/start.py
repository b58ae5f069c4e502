"""examples:
  nvkeep start nfs          nfs may be served again (after nvkeep stop): the host that keepalived gives the role to takes it
  nvkeep start nfs --here   this host takes it, with or without keepalived; never from a host that serves it

exit codes:
  0  it is served
  1  it is not, or another host could not be reached; the message says what to type
  2  cluster.yaml is wrong, or this host may not run the service
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep.admin.orders import start_everywhere, start_here
from nvkeep.cli.common import ordered, service_options, unsettled
from nvkeep.host import Host
from nvkeep.model.decision import Action
from nvkeep.model.spec import Cluster


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    service_options(parser, "take it here now; tell no other host")


def run(arguments: argparse.Namespace) -> int:
    """End what keeps it down, and see that it is served."""
    cluster, host, service = ordered(arguments)
    if arguments.here:
        return _here(host, cluster, service)
    if start_everywhere(host, cluster, service):
        print(f"{service}: it is served; nvkeep status")
        return 0
    print(f"{service}: nobody serves it yet; nvkeep status {service}", file=sys.stderr)
    return 1


def _here(host: Host, cluster: Cluster, service: str) -> int:
    report = start_here(host, cluster, service)
    if report.did in (Action.SERVE, Action.ACQUIRE, Action.SEIZE) and report.settled:
        print(f"{service}: {host.name} serves it")
        return 0
    for line in unsettled(report):
        print(f"{service}: {line}", file=sys.stderr)
    move = f"; nvkeep move {service} --to {host.name}" if report.did is Action.YIELD else f"; nvkeep status {service}"
    print(f"{service}: {report.why}{move}", file=sys.stderr)
    return 1
