"""examples:
  nvkeep standby --reason "kernel update"    this host hands everything over, and serves nothing until nvkeep activate
  nvkeep standby srv-b                       that host does

It survives a reboot. Nothing is seized: each service is let go in order, and the other host takes a free volume.

exit codes:
  0  nothing of any service is left on the host
  1  something is left, or could not be recorded; said is what to type
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import log
from nvkeep.cli.common import chosen, file_option, load, on_host, order_options, order_words, refuse_unsafe_state, tell_gone
from nvkeep.handover import let_go
from nvkeep.model.override import Kind
from nvkeep.orders import order

LIMIT = 1300.0  # seconds another host has for it; it ends by itself before


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("which", metavar="HOST", nargs="?", default="", help="default: this host")
    parser.add_argument("--by", default="", metavar="NAME", help="who gives the order; default: whoever types it")
    order_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record it, and let go of everything."""
    refuse_unsafe_state()
    cluster, host = load(arguments)
    if arguments.which not in ("", host.name):
        return on_host(host, cluster, arguments.which, ("standby", *order_words(arguments)), LIMIT)
    services = chosen(cluster, host.name, [])
    log.setup(quiet=True)
    print(order(host, Kind.STANDBY, "", arguments.reason, by=arguments.by, lasting=arguments.lasting))
    return tell_gone(let_go(host, cluster, services))
