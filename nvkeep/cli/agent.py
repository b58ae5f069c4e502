"""Runs until systemd ends it: systemctl status nvkeep

exit codes:
  0  systemd ended it
  1  it could not start; or nvkeep.service runs it already, and nothing was done
"""  # noqa: D400 - printed by --help

import argparse
import os
import signal
import sys
from contextlib import suppress

from nvkeep import log
from nvkeep.agent.loop import Agent
from nvkeep.cli.common import file_option, refuse_others_than_root, refuse_unsafe_state
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, LocalHost
from nvkeep.probes import unit
from nvkeep.state.files import RUN, VAR

UNIT = "nvkeep.service"
STOP_LIMIT_S = 1.5  # for the passes under way when systemd ends this


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the resident."""
    log.setup()
    refuse_unsafe_state()
    refuse_others_than_root()
    host = LocalHost(remembered=(f"{RUN}/", f"{VAR}/"))
    _refuse_second(host)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    agent = Agent(host, arguments.file)
    try:
        agent.run()
    except SystemExit:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end what is in order
        agent.finish(STOP_LIMIT_S)
    return 0


def _refuse_second(host: Host) -> None:
    """Refuse to run beside the service: the two would take keepalived's lines from each other. Raises NvkeepError.

    No lock: one that an agent which cannot be killed still holds would keep its successor away.
    """
    with suppress(ProbeError):  # systemd not telling keeps no agent from running
        pid = unit.read(host, UNIT).pid
        if pid not in (0, os.getpid()):
            raise NvkeepError(f"{UNIT} runs it already (pid {pid}); systemctl status nvkeep")
