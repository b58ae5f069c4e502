"""examples:
  nvkeep status            every service of this host
  nvkeep status --json     the same for programs
  nvkeep status --all      the same services on every host, asked over ssh, and whether the hosts agree

Lines: ! is something to fix; . is as somebody chose it; [OK] is here as it should be; [NOT OK] is not as it should be;
[--] is not here, and should not be.

exit codes:
  0  ok
  1  degraded or converging
  2  failed, lost, split, cut-off, stuck or held; or cluster.yaml is wrong
  3  unknown; with --all also: a host cannot be reached
  4  standby or maintenance: by hand
"""  # noqa: D400, D205 - printed by --help

import argparse
import json
from dataclasses import asdict

from nvkeep.cli.common import chosen, file_option, load, services_option
from nvkeep.core.scope import Scope
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.model.summary import EXIT
from nvkeep.status.service import ServiceStatus, service_status


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--all", action="store_true", help="ask every host, over ssh")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything again and print it."""
    cluster, host = load(arguments)
    services = chosen(cluster, host.name, arguments.services)
    if arguments.all:
        return _everywhere(host, cluster, services, plain=arguments.json)
    statuses = [service_status(Scope(host, cluster, service)) for service in services]
    if arguments.json:
        print(json.dumps([_plain(status) for status in statuses], indent=2))
    else:
        print("\n\n".join(_text(status, host.name) for status in statuses))
    return max((EXIT[status.summary] for status in statuses), default=0)


def _everywhere(host: Host, cluster: Cluster, services: tuple[str, ...], *, plain: bool) -> int:
    from nvkeep.status.cluster import look  # noqa: PLC0415 - the other hosts are asked only for this

    seen = look(host, cluster, services)
    print(json.dumps(seen.plain(), indent=2) if plain else seen)
    return seen.code


def _text(status: ServiceStatus, host: str) -> str:
    ready = "may take over" if status.eligible else f"may not take over: {status.eligible_why}"
    head = [
        f"{status.service} on {host}: {status.summary}",
        f"  role {status.role}, holder {status.holder}, {ready}",
        *(f"  . {order}" for order in status.orders),
        f"  {status.why}",
        *(f"  ! {warning}" for warning in (*status.warnings, *status.blockers)),
        *(f"  . {note}" for note in status.notes),
    ]
    quoted = [f"    {line}" for line in status.journal]
    return "\n".join([*head, *(f"  {line}" for line in status.lines), *quoted, f"  last pass {status.last_pass}"])


def _plain(status: ServiceStatus) -> dict[str, object]:
    return asdict(status)
