"""example:
  nvkeep shutdown     what nvkeep-shutdown.service runs when the system goes down; nobody else needs to

Releases every service, in order; where cluster.yaml is wrong, by the last one that was right. It works only while
/run/nvkeep/leaving is there, which that unit makes when systemd stops it. To release the services of this host without a
shutdown: nvkeep standby

exit codes:
  0  nothing of any service is left here
  1  something was not released in its time: it is named, and this host may take no role any more
  2  the system does not go down, or cluster.yaml is wrong and was so since this host booted: nothing was done
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep import config, log
from nvkeep.admin.drain import drain
from nvkeep.cli import REFUSED
from nvkeep.cli.common import file_option, load, refuse_others_than_root, tell_gone
from nvkeep.errors import ConfigError, UnsafeFile
from nvkeep.host import LocalHost
from nvkeep.model.spec import Cluster
from nvkeep.state import host as host_state
from nvkeep.state.files import LEAVING


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Release everything."""
    if not host_state.leaving(LocalHost()):
        print(f"{LEAVING} does not exist: the system is not shutting down; nothing was done", file=sys.stderr)
        return REFUSED
    refuse_others_than_root()
    log.setup(quiet=True)
    cluster, host = _configured(arguments)
    services = cluster.services_of(host.name) if host.name in cluster.hosts else ()
    return tell_gone(drain(host, cluster, services))


def _configured(arguments: argparse.Namespace) -> tuple[Cluster, LocalHost]:
    """Read the configuration, or the last one that was right. Raises ConfigError, UnsafeFile."""
    try:
        return load(arguments)
    except (ConfigError, UnsafeFile) as error:
        print(f"{error}\nso nvkeep uses the last correct one, {host_state.LAST_RIGHT}", file=sys.stderr)
        return config.load(host_state.LAST_RIGHT), LocalHost()
