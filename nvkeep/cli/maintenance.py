"""examples:
  nvkeep maintenance nfs --for 2h --reason "new export tree"   every host watches nfs, and does nothing about it
  nvkeep maintenance nfs --end                                 nvkeep acts again

It holds on every host of the service, survives a reboot, and is over by itself at its time: then nvkeep acts again, and status
says so until it is ended. The storage goes on keeping two hosts from writing. A host that goes down still releases in order.

exit codes:
  0  recorded, or ended, on every host
  1  another host could not be reached: then it is begun on none; where it was to end, it may go on, and is to be ended again
  2  cluster.yaml is wrong, or this host may not run the service
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.admin.orders import order_everywhere
from nvkeep.admin.peers import Peers
from nvkeep.cli.common import order_options, ordered, service_options
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import NotHere
from nvkeep.model.override import Kind
from nvkeep.state.orders import Overrides

KIND = Kind.MAINTENANCE


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    service_options(parser, "on this host alone, where another cannot be reached")
    parser.add_argument("--end", action="store_true", help="nvkeep acts again")
    order_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record it or end it, everywhere, and make a pass."""
    cluster, host, service = ordered(arguments)
    if not arguments.end and not (arguments.lasting and arguments.reason):
        raise NotHere(f'say for how long, and why: nvkeep maintenance {service} --for 2h --reason "..."')
    peers = Peers(host, cluster, service, () if arguments.here else None)
    peers.reach()
    if arguments.end:
        _end(peers)
    else:
        print(order_everywhere(peers, KIND, arguments.reason, lasting=arguments.lasting))
    return _pass(peers)


def _end(peers: Peers) -> None:
    peers.tell("override", "end", str(KIND), peers.service)
    there = Overrides(peers.host).end(KIND, peers.service)
    print(f"{peers.service}: {'nvkeep acts again' if there else 'it was not in maintenance here'}")


def _pass(peers: Peers) -> int:
    """Let the flags and status follow at once; how the service stands is for nvkeep status to say."""
    run_pass(peers.host, peers.cluster, peers.service)
    peers.make_pass()
    return 0
