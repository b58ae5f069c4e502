"""examples:
  nvkeep stop nfs --reason "new export tree"   nobody serves nfs, on any host, until nvkeep start nfs
  nvkeep stop nfs --here                       this host releases it, and another one takes it; this host takes it again only
                                               after another has served it, or by nvkeep start nfs --here

It survives a reboot. Everything is released in order: unit, address, file system, volume.

exit codes:
  0  nothing of it is left
  1  something is left; or another host could not be reached, and nothing was stopped; the message says what to type
  2  cluster.yaml is wrong, or this host may not run the service
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.admin.drain import drain
from nvkeep.admin.orders import order_everywhere, stop_here
from nvkeep.admin.peers import Peers
from nvkeep.cli.common import order_options, ordered, service_options, tell_gone
from nvkeep.model.override import Kind


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    service_options(parser, "only here: another host takes it")
    order_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record it everywhere, then release."""
    cluster, host, service = ordered(arguments)
    if arguments.here:
        return tell_gone([stop_here(host, cluster, service, arguments.reason)])
    peers = Peers(host, cluster, service)
    peers.reach()  # one that gets no order would take the service
    print(order_everywhere(peers, Kind.STOPPED, arguments.reason, lasting=arguments.lasting))
    return tell_gone(drain(host, cluster, [service])) | peers.make_pass(print)
