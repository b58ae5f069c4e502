"""example:
  nvkeep schema > cluster.schema.json

exit codes:
  0  printed
"""  # noqa: D400, D205 - printed by --help

import argparse
import json

from nvkeep.config.shape import schema


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb: none."""


def run(_: argparse.Namespace) -> int:
    """Print the JSON Schema, for editors and other checkers."""
    print(json.dumps(schema(), indent=2))
    return 0
