"""examples:
  nvkeep move nfs     hand nfs over to another host, in order; typed on the host that serves it

Lets go first and offers the role after, so the other host finds a free volume and seizes nothing. Done when another host
serves. Where something does not let go, or nobody takes the service within 10 seconds, it is taken back and served here.

exit codes:
  0  another host serves it
  1  it was taken back: it is told what did not let go, or that nobody took it
  2  cluster.yaml is wrong, or this host does not serve the service
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep import log
from nvkeep.cli.common import chosen, file_option, load, refuse_unsafe_state, unsettled
from nvkeep.errors import NotHere
from nvkeep.handover import TAKEN_WITHIN, Move
from nvkeep.state import Store


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("service", metavar="SERVICE")


def run(arguments: argparse.Namespace) -> int:
    """Move one service."""
    log.setup(quiet=True)
    refuse_unsafe_state()
    cluster, host = load(arguments)
    (service,) = chosen(cluster, host.name, [arguments.service])
    if not Store(host, service).claimed():
        raise NotHere(f"{service} is not served by {host.name}; type it on the host that does: nvkeep status {service}")
    begun = host.now()
    moved = Move(host, cluster, service).run()
    if moved.taken:
        print(f"{service}: another host serves it, {host.now() - begun:.1f} s after the order")
        return 0
    for line in unsettled(moved.left) if moved.left else ():
        print(f"{service}: {line}", file=sys.stderr)
    why = "it does not let go" if moved.left else f"no other host took it within {TAKEN_WITHIN:g} s"
    print(f"{service}: {why}: it is taken back; nvkeep status {service}", file=sys.stderr)
    return 1
