"""examples:
  nvkeep override                                          list what was ordered by hand on this host
  nvkeep override set maintenance nfs --reason "new disks"   record an order on this host alone
  nvkeep override end maintenance nfs                      end it on this host alone

The usual way is by standby, activate, stop, start and maintenance, which reach every host concerned; they run this one.
The next pass goes by it.

exit codes:
  0  listed, recorded, ended
  1  not recorded
  2  cluster.yaml is wrong, or this host may not run the service
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import log
from nvkeep.admin.orders import order
from nvkeep.cli.common import chosen, file_option, load, order_options, refuse_others_than_root
from nvkeep.errors import NotHere
from nvkeep.host import Host
from nvkeep.model.override import Kind
from nvkeep.model.spec import Cluster
from nvkeep.state.orders import Overrides


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("what", choices=("list", "set", "end"), nargs="?", default="list")
    parser.add_argument("kind", choices=[str(kind) for kind in Kind], nargs="?")
    parser.add_argument("service", metavar="SERVICE", nargs="?", default="")
    parser.add_argument("--by", default="", metavar="NAME", help="who gives it; default: whoever types it")
    order_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """List, record or end."""
    cluster, host = load(arguments)
    if arguments.what == "list":
        return _list(host, cluster)
    kind, service = _meant(cluster, host, arguments)
    refuse_others_than_root()
    log.setup(quiet=True)
    if arguments.what == "end":
        there = Overrides(host).end(kind, service)
        print(f"{kind} {service}".rstrip(), "is over" if there else "was not ordered here")
    else:
        print(order(host, kind, service, arguments.reason, by=arguments.by, lasting=arguments.lasting))
    return 0


def _meant(cluster: Cluster, host: Host, arguments: argparse.Namespace) -> tuple[Kind, str]:
    """Give the kind and, unless it is of the whole host, the service. Raises NotHere."""
    services = chosen(cluster, host.name, [arguments.service] if arguments.service else [])
    if not arguments.kind:
        raise NotHere(f"{arguments.what} wants one of {', '.join(Kind)}")
    kind = Kind(arguments.kind)
    if kind is Kind.STANDBY:
        return kind, ""
    if not arguments.service:
        raise NotHere(f"{kind} wants the name of a service; this host may run {', '.join(services)}")
    return kind, arguments.service


def _list(host: Host, cluster: Cluster) -> int:
    overrides = Overrides(host)
    for service in chosen(cluster, host.name, []):
        for line in (*overrides.in_force(service), *overrides.expired(service)):
            print(f"{service}: {line}")
    return 0
