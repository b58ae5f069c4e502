"""examples:
  nvkeep activate          this host may serve again (after nvkeep standby); nothing moves by that
  nvkeep activate srv-b    that host may

exit codes:
  0  it may
  1  not settled: the output names what is missing
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.cli import apply
from nvkeep.cli.common import chosen, file_option, load, on_host, refuse_others_than_root
from nvkeep.model.override import Kind
from nvkeep.state.orders import Overrides


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("which", metavar="HOST", nargs="?", default="", help="default: this host")


def run(arguments: argparse.Namespace) -> int:
    """End the standby, and make a pass."""
    cluster, host = load(arguments)
    services = chosen(cluster, host.name, [])
    refuse_others_than_root()
    if arguments.which not in ("", host.name):
        return on_host(host, cluster, arguments.which, ("activate",), cluster.timing.step + 30)
    there = Overrides(host).end(Kind.STANDBY, "")
    print(f"{host.name} may serve again" if there else f"{host.name} was not on standby")
    return apply.passes(arguments.file, services)
