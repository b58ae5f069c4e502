"""example:
  nvkeep show -f cluster.yaml

exit codes:
  0  printed
  2  cluster.yaml is wrong
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep import config
from nvkeep.cli.common import file_option
from nvkeep.config import parsing


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the whole configuration, defaults and derived values filled in."""
    parsing.dump(config.load(arguments.file), sys.stdout)
    return 0
