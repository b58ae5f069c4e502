"""examples:
  nvkeep_check_status       the services that prefer this host, those that prefer a peer, and keepalived
  nvkeep_check_status -l    only those that prefer this host
  nvkeep_check_status -p    only those that prefer a peer

[OK] is here as it should be; [NOT OK] is not as it should be; [--] is not here, and should not be. Lines with ! are worth a
look, lines with . are as somebody ordered it. More: nvkeep status

exit codes:
  0  what should be here is here, and nothing is wrong
  1  something is not OK, or takes high availability away: a line says what
  2  cluster.yaml is wrong, or this host is not in it
"""  # noqa: D400, D205 - printed by --help

import argparse
from collections.abc import Sequence

from nvkeep.cli.common import load
from nvkeep.config import DEFAULT_FILE
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.legacy.common import local, of_peers, refuse_unconverted, side_options
from nvkeep.model.spec import Cluster
from nvkeep.model.summary import Summary
from nvkeep.probes import unit
from nvkeep.status.service import Line, ServiceStatus, service_status

WELL = (Summary.OK, Summary.STANDBY, Summary.MAINTENANCE)
KEEPALIVED = "keepalived.service"


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    side_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look at everything again and print it."""
    arguments.file = arguments.file or DEFAULT_FILE
    refuse_unconverted(arguments.file)
    cluster, host = load(arguments)
    mine, theirs = local(cluster, host.name), of_peers(cluster, host.name)
    every = arguments.local == arguments.peer
    well = _told(f"Preferred on {host.name}, this host:", host, cluster, mine) if every or arguments.local else True
    for peer in dict.fromkeys(cluster.services[name].hosts[0] for name in theirs) if every or arguments.peer else ():
        services = [name for name in theirs if cluster.services[name].hosts[0] == peer]
        well &= _told(f"Preferred on {peer}, a peer:", host, cluster, services)
    if every:
        _keepalived(host)
    return 0 if well else 1


def _told(heading: str, host: Host, cluster: Cluster, services: Sequence[str]) -> bool:
    """Print how services stand here; return whether they stand well."""
    print(heading)
    well = True
    for service in services:
        status = service_status(Scope(host, cluster, service))
        print("\n".join(_text(status)))
        well &= status.summary in WELL
    if not services:
        print("  none")
    return well


def _text(status: ServiceStatus) -> list[str]:
    worth = [
        *(f"  . {order}" for order in status.orders),
        *(f"  ! {warning}" for warning in (*status.warnings, *status.blockers)),
    ]
    return [f"{status.service}: {status.summary}: {status.why}", *worth, *(f"  {marked(line)}" for line in status.lines)]


def marked(line: Line) -> str:
    """Write a line as the original does, which knows two ways in which a volume is not OK."""
    volume = line.title == "VOLUME" and line.mark == "[NOT OK]"
    how = ("detached" if line.reason == "absent" else "disabled") if volume else ""
    return str(line).replace("[NOT OK]", f"[NOT OK, {how}]", 1) if volume else str(line)


def _keepalived(host: Host) -> None:
    print("keepalived:")
    try:
        seen = unit.read(host, KEEPALIVED)
    except ProbeError as error:
        print(f"  [UNKNOWN] SERVICE: keepalived  ({error})")
        return
    up = seen.active == "active"
    print(
        f"  {'[OK]' if up else '[NOT OK]'} SERVICE: keepalived{'' if up else f'  ({seen.active}; systemctl start keepalived)'}"
    )
