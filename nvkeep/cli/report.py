"""examples:
  nvkeep report --html FILE     the cluster now, the last takeovers as timelines, steps and rehearsals: one page, which any
                                web server can show; `report: FILE` in cluster.yaml has the agent write it anew

exit codes:
  0  written
  1  it cannot be written
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.cli.common import chosen, file_option, load
from nvkeep.errors import NvkeepError
from nvkeep.status.report import write


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("--html", metavar="FILE", required=True, help="the page")


def run(arguments: argparse.Namespace) -> int:
    """Ask every host, and write the page."""
    cluster, host = load(arguments)
    chosen(cluster, host.name, [])
    try:
        write(host, cluster, arguments.html)
    except OSError as error:
        raise NvkeepError(f"{arguments.html} cannot be written: {error.strerror}") from error
    print(f"written to {arguments.html}")
    return 0
