"""example:
  nvkeep show -f cluster.yaml

exit codes:
  0  printed
  2  cluster.yaml is wrong
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from ruamel.yaml import YAML

from nvkeep import config
from nvkeep.cli.common import file_option


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the whole configuration, defaults and derived values filled in."""
    cluster = config.load(arguments.file)
    shown = cluster.model_dump(mode="json", serialize_as_any=True)
    for name, service in shown["services"].items():
        service["router_id"] = cluster.router_id(name)
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(shown, sys.stdout)
    return 0
