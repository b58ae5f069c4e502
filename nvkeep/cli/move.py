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

from nvkeep import guard, log
from nvkeep.cli.common import chosen, file_option, load, refuse_unsafe_state
from nvkeep.errors import NotHere, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Guard
from nvkeep.model.report import SETTLED, Report
from nvkeep.model.spec import Cluster
from nvkeep.passes import run_pass
from nvkeep.state import Store

LOOK = 0.1  # seconds between two looks
TAKEN_WITHIN = 10.0  # seconds the other host has to take what is free


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
    return Move(host, cluster, service).run()


class Move:
    """One service on its way to another host."""

    def __init__(self, host: Host, cluster: Cluster, service: str) -> None:
        self.host, self.cluster, self.service = host, cluster, service
        self.spec, self.store = cluster.services[service], Store(host, service)

    def run(self) -> int:
        """Let go, wait for another host, and leave no trace of the order."""
        begun = self.host.now()
        self.store.order_move(begun + self.cluster.timing.step + 2 * TAKEN_WITHIN)
        try:
            stuck = self._let_go()
            taken = not stuck and self._taken()
        finally:
            self.store.end_move()
        if taken:
            print(f"{self.service}: another host serves it, {self.host.now() - begun:.1f} s after the order")
            return 0
        return self._take_back(stuck)

    def _let_go(self) -> Report | None:
        """Make passes until nothing is left here; give the last one when something stays."""
        deadline = self.host.now() + self.cluster.timing.step
        while True:
            report = run_pass(self.host, self.cluster, self.service)
            if not self.store.claimed():
                return None
            if self.host.now() > deadline:
                return report
            self.host.sleep(LOOK)

    def _taken(self) -> bool:
        deadline = self.host.now() + TAKEN_WITHIN
        while self.host.now() < deadline:
            try:
                if guard.ask(self.host, self.spec, self.cluster.timing) is Guard.SERVED:
                    return True
            except ProbeError as error:
                print(f"{self.service}: {error}", file=sys.stderr)
            self.host.sleep(LOOK)
        return False

    def _take_back(self, stuck: Report | None) -> int:
        """Serve here again what was let go."""
        for outcome in stuck.outcomes if stuck else ():
            if outcome.word not in SETTLED:
                print(f"{self.service}: {outcome.word} {outcome.key}: {outcome.reason}", file=sys.stderr)
        why = "it does not let go" if stuck else f"no other host took it within {TAKEN_WITHIN:g} s"
        print(f"{self.service}: {why}: it is taken back; nvkeep status {self.service}", file=sys.stderr)
        run_pass(self.host, self.cluster, self.service)
        return 1
