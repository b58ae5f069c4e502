"""examples:
  nvkeep_manual_startup       everything that may run on this host
  nvkeep_manual_startup -l    only the services that prefer this host
  nvkeep_manual_startup -p    only those that prefer a peer

Volumes, mount points, floating addresses, services, in this order, with or without keepalived. What is here already stays as it
is. Nothing is taken from a host that serves: the message says who does, and what to type.

exit codes:
  0  all of it is here; without options, a service that prefers a peer may also be served there
  1  something is not: it is named; or this is not root, and nothing was done
  2  cluster.yaml is wrong, or this host is not in it
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from nvkeep.admin.drain import serves
from nvkeep.admin.orders import start_here
from nvkeep.core.observe import observe
from nvkeep.core.scope import Scope
from nvkeep.host import Host
from nvkeep.legacy.common import end, of_peers, ordered, runs, side_by_side, side_options, trouble
from nvkeep.model.decision import Action, decide
from nvkeep.model.report import Report
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.status.service import called

FIRST = "keepalived does not run here; while this host serves, start it here before any other: systemctl start keepalived"


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    side_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Start what is not here, and say so."""
    cluster, host, services = ordered(arguments)
    reports = _start(host, cluster, services)
    elsewhere = [] if arguments.local or arguments.peer else of_peers(cluster, host.name)
    wells = [_well(host, cluster, report, elsewhere) for report in reports]
    if not runs(host):
        print(FIRST)
    return end(well=all(wells))


def _start(host: Host, cluster: Cluster, services: Sequence[str]) -> list[Report]:
    return side_by_side(services, partial(_announce, host, cluster), partial(start_here, host, cluster))


def _announce(host: Host, cluster: Cluster, service: str) -> None:
    """Say a line for each step there is to do, as far as it depends on this host."""
    scope = Scope(host, cluster, service)
    observation = observe(scope, assumed=Role.MASTER)
    missing = [resource for resource in scope.resources if observation.seen[resource.key] is None]
    for resource in missing if decide(observation.facts).action in (Action.ACQUIRE, Action.SERVE) else ():
        print("* Starting {}: {}".format(*called(resource)), flush=True)
    if not missing:
        print(f"* All of {service} is here already", flush=True)


def _well(host: Host, cluster: Cluster, report: Report, elsewhere: Sequence[str]) -> bool:
    """Say what became of a service; return whether that is well."""
    if serves(host, report):
        return True
    if report.did is Action.YIELD:
        others = [name for name in cluster.services[report.service].hosts if name != host.name]
        who = others[0] if len(others) == 1 else f"one of {', '.join(others)}"
        text = f"{who} serves it, and it stays there; to have it here: nvkeep move {report.service} --to {host.name}"
        print(f"{report.service}: {text}", file=sys.stdout if report.service in elsewhere else sys.stderr)
        return report.service in elsewhere
    trouble(report)
    return False
