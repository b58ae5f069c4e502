"""What the original's commands have in common: services preferred here, services preferred on a peer, and how they end."""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nvkeep import log
from nvkeep.cli.common import chosen, load, refuse_others_than_root, refuse_unsafe_state, unsettled
from nvkeep.config import DEFAULT_FILE
from nvkeep.errors import NotHere, NvkeepError
from nvkeep.host import Host
from nvkeep.model.report import Report
from nvkeep.model.spec import Cluster
from nvkeep.probes import unit

KEEPALIVED = "keepalived.service"
CONF = "/etc/nvkeep/nvkeep_service.conf"  # the original's
DONE, ERRORS = "All done.", "All done, but errors were encountered."


def side_options(parser: argparse.ArgumentParser) -> None:
    """Add -f, -l and -p."""
    parser.add_argument("-f", "--file", metavar="FILE", help="default: /etc/nvkeep/cluster.yaml")
    parser.add_argument("-l", action="store_true", dest="local", help="only the services that prefer this host")
    parser.add_argument("-p", action="store_true", dest="peer", help="only the services that prefer another host")


def local(cluster: Cluster, host: str) -> list[str]:
    """Name the services that prefer this host. Raises NotHere."""
    return [name for name in chosen(cluster, host, []) if cluster.services[name].hosts[0] == host]


def of_peers(cluster: Cluster, host: str) -> list[str]:
    """Name the services of this host that prefer another one. Raises NotHere."""
    return [name for name in chosen(cluster, host, []) if cluster.services[name].hosts[0] != host]


def wanted(cluster: Cluster, host: str, arguments: argparse.Namespace) -> list[str]:
    """Pick the services meant by -l and -p; both or none of the two mean all."""
    every = arguments.local == arguments.peer
    mine = local(cluster, host) if every or arguments.local else []
    return [*mine, *(of_peers(cluster, host) if every or arguments.peer else [])]


def ordered(arguments: argparse.Namespace) -> tuple[Cluster, Host, list[str]]:
    """Read which services root wants something done about. Raises NotHere, NvkeepError, UnsafeFile, ConfigError."""
    arguments.file = arguments.file or DEFAULT_FILE
    refuse_unconverted(arguments.file)
    refuse_others_than_root()
    refuse_unsafe_state()
    cluster, host = load(arguments)
    log.setup(quiet=True)
    return cluster, host, wanted(cluster, host.name, arguments)


def runs(host: Host) -> bool:
    """Return whether keepalived runs here; when that cannot be determined, it does."""
    try:
        return unit.read(host, KEEPALIVED).active not in ("inactive", "failed")
    except NvkeepError:
        return True


def refuse_unconverted(file: str) -> None:
    """Say what to type where only the original's files are there. Raises NotHere."""
    if not Path(file).exists() and Path(CONF).exists():
        raise NotHere(f"{file} is not there yet; make it of the original's files: nvkeep import -o {file}")


def end(*, well: bool) -> int:
    """Say how it ended, and give the exit code."""
    print(DONE if well else ERRORS, file=sys.stdout if well else sys.stderr)
    return 0 if well else 1


def side_by_side(services: Sequence[str], announce: Callable[[str], None], does: Callable[[str], Report]) -> list[Report]:
    """Announce what is to be done with each service, then do it with all of them at once."""
    for service in services:
        announce(service)
    with ThreadPoolExecutor(max(1, len(services))) as pool:
        return list(pool.map(does, services))


def trouble(report: Report) -> None:
    """Say what became of a service that did not go as it should, what to type, and which resources are wrong."""
    print(f"{report.service}: {report.why}; nvkeep status {report.service}", file=sys.stderr)
    for line in unsettled(report):
        print(f"  {line}", file=sys.stderr)
