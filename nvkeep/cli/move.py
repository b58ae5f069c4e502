"""examples:
  nvkeep move nfs               move nfs to another host, in order: nothing is seized
  nvkeep move nfs --to srv-b    to this one

It may be typed on any host: where another one serves, it is handed on to that by ssh. Where a file system is busy, or
the other host does not serve it, the service is taken back, and the message says why. No trace of the order stays. Where no
other host can be asked by ssh whether it may take it, nothing is moved; with --force it is, and taken back if nobody takes it.

exit codes:
  0  another host serves it
  1  it is not moved: the message says why, whether it is served where it was, and what to type
  2  cluster.yaml is wrong, or no host of it is known to serve the service
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep.admin.drain import DRAIN_LIMIT_S
from nvkeep.admin.peers import Peers
from nvkeep.admin.switchover import RETURN_LIMIT_S, TAKE_LIMIT_S, Switchover
from nvkeep.cli import REFUSED
from nvkeep.cli.common import ordered, service_options, unsettled
from nvkeep.errors import NotHere, Unreachable
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.state.service import Store


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    service_options(parser, "only if this host serves it; ask no other")
    parser.add_argument("--to", metavar="HOST", default="", help="default: whichever takes it")
    parser.add_argument(
        "--force", action="store_true", help="also where no other host can be asked, or says that it may not take it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Move, and say how it went."""
    cluster, host, service = ordered(arguments)
    if not Store(host, service).serving(cluster.timing.step):
        return _elsewhere(host, cluster, service, arguments)
    if arguments.to == host.name:
        print(f"{service}: {host.name} serves it already")
        return 0
    return _move(Switchover(host, cluster, service, arguments.to, print, arguments.force))


def _move(move: Switchover) -> int:
    moved = move.run()
    if moved.to:
        print(
            f"{move.service}: {moved.to} serves it; outage {moved.outage:.1f} s, from the order to the first answer from there"
        )
        return 0
    for line in unsettled(moved.left) if moved.left else ():
        print(f"{move.service}: {line}", file=sys.stderr)
    back = ": it is taken back" if moved.here else ""
    print(f"{move.service}: {moved.why}{back}; nvkeep status {move.service}", file=sys.stderr)
    return 1


def _elsewhere(host: Host, cluster: Cluster, service: str, arguments: argparse.Namespace) -> int:
    """Hand the order on to the host that serves. Raises NotHere, when none says so."""
    reasons = [f"it is not served by {host.name}"]
    words = ("nvkeep", "move", service, *(("--to", arguments.to) if arguments.to else ()), "--here")
    words = (*words, "--force") if arguments.force else words
    peers = Peers(host, cluster, service)
    for peer in () if arguments.here else peers:
        try:
            done = peer.run(words, DRAIN_LIMIT_S + 4 * cluster.timing.step + TAKE_LIMIT_S + RETURN_LIMIT_S)
        except Unreachable as error:
            reasons.append(str(error))
            continue
        if done.code != REFUSED:
            print(done.out, end="")
            print(done.err, end="", file=sys.stderr)
            return done.code
        serves = peers.only(peer.name).holder()
        reasons.append(f"{peer.name}: {done.err.strip()}" if serves else f"it is not served by {peer.name}")
    raise NotHere(f"{service}: {'; '.join(reasons)}; nvkeep status")
