"""examples:
  nvkeep keepalived > /etc/keepalived/keepalived.conf && systemctl reload-or-restart keepalived
  nvkeep keepalived --host server02 -f cluster.yaml

exit codes:
  0  printed
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep import keepalived
from nvkeep.cli.common import chosen, file_option, load


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("--host", metavar="NAME", help="default: this host")


def run(arguments: argparse.Namespace) -> int:
    """Print keepalived.conf."""
    cluster, host = load(arguments)
    chosen(cluster, host.name, [])
    sys.stdout.write(keepalived.configuration(cluster, host.name))
    return 0
