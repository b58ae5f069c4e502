"""Runs until it is told to end; systemd does that: systemctl status nvkeep

exit codes:
  0  told to end
  1  it could not start
"""  # noqa: D400 - printed by --help

import argparse
import signal
import sys

from nvkeep import log
from nvkeep.agent import Agent
from nvkeep.cli.common import file_option, refuse_unsafe_state
from nvkeep.host import LocalHost


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the resident."""
    log.setup()
    refuse_unsafe_state()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Agent(LocalHost(), arguments.file).run()
    return 0
