"""examples:
  nvkeep explain pg               which line decides now, on which facts, and what would change it

exit codes:
  0  printed
  1  this host cannot be looked at
  2  cluster.yaml is wrong, or this host may not run the service
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.cli.common import chosen, file_option, load
from nvkeep.core.prospect import consider
from nvkeep.core.scope import Scope
from nvkeep.model import explain


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("service", metavar="SERVICE")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, decide, and say why. Changes nothing."""
    cluster, host = load(arguments)
    (service,) = chosen(cluster, host.name, [arguments.service])
    prospect = consider(Scope(host, cluster, service))
    print(f"{service} on {host.name}, {host.date()}", *explain.lines(prospect.observation.facts), sep="\n")
    for warning in prospect.observation.problems:
        print(f"! {warning}")
    return 0
