"""examples:
  nvkeep failback    move home what has `failback: {window: ...}`, prefers this host, and is served elsewhere; if it is time

nvkeep-failback.timer runs it every minute. Each is an ordinary `nvkeep move SERVICE --to THIS`, typed by this host on
the one that serves; after one that failed, the next is an hour later. It says nothing where there is nothing to move.

exit codes:
  0  nothing to move, or moved
  1  not moved: the message says why
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep.admin.failback import Failback
from nvkeep.cli.common import chosen, file_option, load, refuse_others_than_root
from nvkeep.errors import NvkeepError


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Move what should be here."""
    cluster, host = load(arguments)
    code, services = 0, chosen(cluster, host.name, [])
    refuse_others_than_root()
    for service in services:
        failback = Failback(host, cluster, service)
        if failback.due():
            try:
                print(failback.run())
            except NvkeepError as error:
                print(f"{service}: {error}", file=sys.stderr)
                code = 1
    return code
