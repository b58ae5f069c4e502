"""examples:
  nvkeep agreement          what of this host has to be the same on every host, and how the last comparison went
  nvkeep agreement --json   the same for programs; what the agents and `nvkeep status` ask the other hosts for

Files are shown as digests of what is in them. The agent compares when something has
changed on a host, and every six hours; `nvkeep status` at once.

exit codes:
  0  printed; nothing differed when it was last compared
  1  something differed; it is listed (not with --json)
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse
import json

from nvkeep.checks import consistency
from nvkeep.cli.common import chosen, file_option, load


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("--json", action="store_true", help="for programs; this host then compares itself too")
    parser.add_argument(consistency.ALONE, action="store_true", help="with --json: it need not compare itself")


def run(arguments: argparse.Namespace) -> int:
    """Print the parts."""
    cluster, host = load(arguments)
    chosen(cluster, host.name, [])
    if arguments.json:
        print(json.dumps({"host": host.name, "parts": consistency.answer(host, cluster, alone=arguments.no_compare)}, indent=2))
        return 0
    for part, value in consistency.parts(host, cluster).items():
        print(f"{part}: {value}")
    differs = consistency.disagreements(host)
    print(*(f"! {text}" for text in differs), sep="\n" if differs else "", end="\n" if differs else "")
    return 1 if differs else 0
