"""examples:
  nvkeep_clean_shutdown       this host releases everything, and stops keepalived last
  nvkeep_clean_shutdown -l    only the services that prefer this host; keepalived goes on
  nvkeep_clean_shutdown -p    only those that prefer a peer, which may then have them back; keepalived goes on
  nvkeep_clean_shutdown -l -p    all services; keepalived goes on

A service is stopped, its address goes, its file systems are unmounted, its volumes are given back: in this order. What is not
released keeps what it stands on. The other host takes a free volume. With -l or -p this host takes a service again only after
another host has served it, or by nvkeep_manual_startup. Without options it does when keepalived is started.

exit codes:
  0  nothing is left here
  1  something is left: it is named; or this is not root, and nothing was done
  2  cluster.yaml is wrong, or this host is not in it
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from nvkeep.admin.orders import stop_here
from nvkeep.core.observe import observe
from nvkeep.core.scope import Scope
from nvkeep.host import Host
from nvkeep.legacy.common import KEEPALIVED, end, ordered, runs, side_by_side, side_options, trouble
from nvkeep.model.override import Kind
from nvkeep.model.spec import Cluster
from nvkeep.state.orders import Overrides
from nvkeep.status.service import called

STOP_TIMEOUT_S = 60.0
REASON = "nvkeep_clean_shutdown"


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    side_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Release, and say so."""
    cluster, host, services = ordered(arguments)
    well = _release(host, cluster, services)
    if not arguments.local and not arguments.peer:
        well = _keepalived(host, services) if well else _not_stopped()
    return end(well=well)


def _release(host: Host, cluster: Cluster, services: Sequence[str]) -> bool:
    """Release services side by side; return whether nothing is left."""
    announce, stop = partial(_announce, host, cluster), partial(stop_here, host, cluster, reason=REASON)
    reports = side_by_side(services, announce, stop)
    for report in reports:
        if not report.gone:
            trouble(report)
    return all(report.gone for report in reports)


def _announce(host: Host, cluster: Cluster, service: str) -> None:
    """Say a line for each step there is to do."""
    scope = Scope(host, cluster, service)
    seen = observe(scope).seen
    there = [resource for resource in reversed(scope.resources) if seen[resource.key] is not None]
    for resource in there:
        print("* Stopping {}: {}".format(*called(resource)), flush=True)
    if not there:
        print(f"* Nothing of {service} is on this host", flush=True)


def _not_stopped() -> bool:
    print("keepalived is not stopped: something of a service is left here", file=sys.stderr)
    return False


def _keepalived(host: Host, services: Sequence[str]) -> bool:
    """Stop keepalived, which from now on keeps this host from taking anything, instead of the orders of before."""
    print("* Stopping keepalived", flush=True)
    host.run(("systemctl", "stop", KEEPALIVED), STOP_TIMEOUT_S)
    if runs(host):
        print("keepalived does not stop; systemctl status keepalived", file=sys.stderr)
        return False
    for service in services:
        Overrides(host).end(Kind.AWAY, service)
    return True
