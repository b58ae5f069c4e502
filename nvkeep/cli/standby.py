"""examples:
  nvkeep standby --reason "kernel update"    this host releases everything, and serves nothing until nvkeep activate
  nvkeep standby srv-b                       that host does

It survives a reboot. Nothing is seized: each service is released in order, and the other host takes a free volume.

exit codes:
  0  nothing of any service is left on the host
  1  nothing was done, because no other host is known to be able to take over; or something is left: the message says what
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import log
from nvkeep.admin.drain import drain
from nvkeep.admin.orders import order, order_words
from nvkeep.admin.peers import Peers
from nvkeep.cli.common import (
    chosen,
    file_option,
    load,
    on_host,
    order_options,
    refuse_others_than_root,
    refuse_unsafe_state,
    tell_gone,
)
from nvkeep.model.override import Kind
from nvkeep.state.service import Store

DRAIN_TIMEOUT_S = 1300.0  # another host has for it; it ends by itself before


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("which", metavar="HOST", nargs="?", default="", help="default: this host")
    parser.add_argument("--by", default="", metavar="NAME", help="who gives the order; default: whoever types it")
    parser.add_argument("--force", action="store_true", help="also where no other host says that it may take over")
    order_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record it, and release everything."""
    refuse_unsafe_state()
    cluster, host = load(arguments)
    services = chosen(cluster, host.name, [])
    refuse_others_than_root()
    if arguments.which not in ("", host.name):
        words = order_words(host.name, arguments.reason, arguments.lasting)
        return on_host(
            host, cluster, arguments.which, ("standby", *words, *(("--force",) if arguments.force else ())), DRAIN_TIMEOUT_S
        )
    for service in () if arguments.force else (service for service in services if Store(host, service).claimed()):
        Peers(host, cluster, service).refuse_in_vain()
    log.setup(quiet=True)
    print(order(host, Kind.STANDBY, "", arguments.reason, by=arguments.by, lasting=arguments.lasting))
    return tell_gone(drain(host, cluster, services))
