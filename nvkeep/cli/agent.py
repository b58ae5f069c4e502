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
from nvkeep.cli.common import file_option, refuse_others_than_root, refuse_unsafe_state
from nvkeep.host import LocalHost

GRACE = 1.5  # seconds for the passes under way when this is told to end


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the resident."""
    log.setup()
    refuse_unsafe_state()
    refuse_others_than_root()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    agent = Agent(LocalHost(), arguments.file)
    try:
        agent.run()
    except SystemExit:
        agent.finish(GRACE)
    return 0
