"""examples:
  nvkeep status            every service of this host, as all its hosts see it (asked over ssh), and whether they agree
  nvkeep status --local    this host alone; asks nobody
  nvkeep status --watch    the same again every two seconds, on the whole screen, until Ctrl-C
  nvkeep status --json     this host for programs; with --all every host

The first line says the worst, and the one sentence that matters. Lines: ! is something to fix; . is as somebody chose it;
[OK] is here as it should be; [NOT OK] is not as it should be; [--] is not here, and should not be.

exit codes:
  0  ok
  1  degraded or converging
  2  failed, lost, split, cut-off, stuck or held; or cluster.yaml is wrong
  3  unknown
  4  standby or maintenance: by hand
"""  # noqa: D400, D205 - printed by --help

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict

from nvkeep.cli import terminal
from nvkeep.cli.common import chosen, file_option, load, services_option
from nvkeep.core.scope import Scope
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.model.summary import EXIT
from nvkeep.status.service import ServiceStatus, service_status

AGAIN_S = 2.0


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("--json", action="store_true", help="for programs; this host alone, unless --all is given")
    parser.add_argument("--all", action="store_true", help="ask every host, over ssh; without --json that needs no option")
    parser.add_argument("--local", action="store_true", help="this host alone")
    parser.add_argument("--watch", action="store_true", help="again and again, on the whole screen")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("-l", action="store_true", dest="mine", help="only services that prefer this host")
    only.add_argument("-p", action="store_true", dest="others", help="only services that prefer another host")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything again and print it."""
    cluster, host = load(arguments)
    services = tuple(filter(_preferred(arguments, cluster, host), chosen(cluster, host.name, arguments.services)))
    alone = arguments.local or (arguments.json and not arguments.all)
    look = _local if alone else _everywhere
    if not arguments.watch:
        text, code = look(host, cluster, services, plain=arguments.json)
        terminal.show(text)
        return code
    with terminal.whole_screen(), suppress(KeyboardInterrupt):
        while True:
            terminal.redraw(look(host, cluster, services, plain=False)[0])
            host.sleep(AGAIN_S)
    return 0


def _preferred(arguments: argparse.Namespace, cluster: Cluster, host: Host) -> Callable[[str], bool]:
    """Pick as -l and -p say."""
    every = not arguments.mine and not arguments.others
    return lambda service: every or (cluster.services[service].hosts[0] == host.name) is bool(arguments.mine)


def _everywhere(host: Host, cluster: Cluster, services: tuple[str, ...], *, plain: bool) -> tuple[str, int]:
    from nvkeep.status.cluster import look  # noqa: PLC0415 - the other hosts are asked only for this

    seen = look(host, cluster, services)
    return json.dumps(seen.plain(), indent=2) if plain else str(seen), seen.code


def _local(host: Host, cluster: Cluster, services: tuple[str, ...], *, plain: bool) -> tuple[str, int]:
    statuses = [service_status(Scope(host, cluster, service)) for service in services]
    listed = json.dumps([asdict(status) for status in statuses], indent=2)
    code = max((EXIT[status.summary] for status in statuses), default=0)
    return listed if plain else "\n\n".join("\n".join(_lines(status)) for status in statuses), code


def _lines(status: ServiceStatus) -> Iterator[str]:
    ready = "may take over" if status.eligible else f"may not take over: {status.eligible_why}"
    yield f"{status.service} on {status.host}: {status.summary}"
    yield f"  role {status.role}, holder {status.holder}, {ready}"
    yield from (f"  . {order}" for order in status.orders)
    yield f"  {status.why}"
    yield from (f"  {line}" for line in status.past)
    yield from (f"  ! {warning}" for warning in (*status.warnings, *status.blockers))
    yield from (f"  . {note}" for note in status.notes)
    yield from (f"  {line}" for line in status.lines)
    yield from (f"    {line}" for line in status.journal)
    yield f"  last pass {status.last_pass}"
