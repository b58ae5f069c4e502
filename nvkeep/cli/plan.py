"""examples:
  nvkeep plan                         what a pass would do on this host now
  nvkeep plan -f cluster.yaml --host server01 --role nfs=MASTER --assume-clean
                                      what server01 would do; runs anywhere, without root
  nvkeep plan --if server01=down      what each host would run then, on what is there now; also server01=standby,
                                      nfs@server01=lost, network=eth1 (no carrier), all=boot
  nvkeep plan -o FILE                 keep it; nvkeep apply FILE does it, unless anything has changed since

exit codes:
  0  nothing to do; or printed what would be (--if)
  2  changes
  1  error: cluster.yaml is wrong, or something is unknown
"""  # noqa: D400, D205 - printed by --help

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from nvkeep.admin import kept_plan, what_if
from nvkeep.cli.common import chosen, file_option, load, services_option
from nvkeep.core.prospect import Prospect, consider
from nvkeep.core.scope import Scope
from nvkeep.errors import NvkeepError
from nvkeep.host import LocalHost
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.status import prospect as prospect_text

ERROR, CHANGES = 1, 2


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("--if", dest="event", metavar="EVENT", help=f"what each host would run then: {what_if.EVENTS}")
    parser.add_argument("-o", "--output", metavar="FILE", help="keep the plan, for nvkeep apply FILE")
    parser.add_argument("--assume", action="append", default=[], metavar="SERVICE=EVENT", help=argparse.SUPPRESS)
    parser.add_argument("--host", metavar="NAME", help="plan for this host (with --assume-clean: from anywhere)")
    parser.add_argument("--role", action="append", default=[], metavar="SERVICE=ROLE", help="assume this role")
    parser.add_argument(
        "--assume-clean", action="store_true", help="assume that nothing is there and nobody holds; look at nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what would be done."""
    try:
        cluster, host = load(arguments)
        if arguments.event:
            print(*what_if.lines(host, cluster, arguments.event), sep="\n")
            return 0
        if arguments.assume:
            print(*what_if.assumed(host, cluster, arguments.assume), sep="\n")
            return 0
        _seen_from_here(arguments.host, clean=arguments.assume_clean)
        services = chosen(cluster, host.name, arguments.services)
        assumed = _roles(arguments.role, services)
        scopes = [Scope(host, cluster, service, blind=arguments.assume_clean) for service in services]
        prospects = [consider(scope, assumed.get(scope.service)) for scope in scopes]
    except NvkeepError as error:
        print(error, file=sys.stderr)
        return ERROR
    if arguments.output:
        _keep(arguments.output, cluster, prospects)
    for prospect in prospects:
        drift = prospect_text.drift(prospect) if arguments.verb == "diff" else ()
        print(*prospect_text.lines(prospect, drift), sep="\n")
    if any(prospect.plan.waiting for prospect in prospects):
        return ERROR
    return CHANGES if any(prospect.plan.changes for prospect in prospects) else 0


def _keep(file: str, cluster: Cluster, prospects: Sequence[Prospect]) -> None:
    """Write what is to be done, and what it rests on."""
    kept = json.dumps(kept_plan.plain(cluster, prospects), indent=2)
    Path(file).write_text(f"{kept}\n")
    shown = file if set("/.") & set(file) else f"./{file}"
    print(f"kept in {file}; to do it: nvkeep apply {shown}", file=sys.stderr)


def _seen_from_here(name: str | None, *, clean: bool) -> None:
    if name is not None and not clean and name != LocalHost().name:
        raise NvkeepError(f"this is not {name}: what is there cannot be seen from here; add --assume-clean")


def _roles(words: Sequence[str], services: Sequence[str]) -> dict[str, Role]:
    roles = {}
    for word in words:
        service, _, role = word.partition("=")
        if service not in services or role not in Role.__members__:
            raise NvkeepError(
                f"--role {word}: write SERVICE=ROLE, a service of {', '.join(services)} and one of {', '.join(Role)}"
            )
        roles[service] = Role(role)
    return roles
