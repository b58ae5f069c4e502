"""examples:
  nvkeep plan                         what a pass would do on this host now
  nvkeep plan -f cluster.yaml --host server01 --role nfs=MASTER --assume-clean
                                      what server01 would do; runs anywhere, without root

exit codes:
  0  nothing to do
  2  changes
  1  error: cluster.yaml is wrong, or something is unknown
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys
from collections.abc import Sequence

from nvkeep.cli.common import chosen, file_option, load, services_option
from nvkeep.core.one_pass import Pass, Prospect
from nvkeep.core.scope import Scope
from nvkeep.errors import NvkeepError
from nvkeep.host import LocalHost, lines
from nvkeep.model.plan import WANT, Unknown, Want
from nvkeep.model.role import Role

ERROR, CHANGES = 1, 2


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("--host", metavar="NAME", help="plan for this host (with --assume-clean: from anywhere)")
    parser.add_argument("--role", action="append", default=[], metavar="SERVICE=ROLE", help="assume this role")
    parser.add_argument(
        "--assume-clean", action="store_true", help="assume that nothing is there and nobody holds; look at nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what would be done."""
    try:
        cluster, host = load(arguments)
        _seen_from_here(arguments.host, clean=arguments.assume_clean)
        services = chosen(cluster, host.name, arguments.services)
        assumed = _roles(arguments.role, services)
        scopes = [Scope(host, cluster, service, blind=arguments.assume_clean) for service in services]
        prospects = [Pass(scope, role=assumed.get(scope.service)).consider() for scope in scopes]
    except NvkeepError as error:
        print(error, file=sys.stderr)
        return ERROR
    for prospect in prospects:
        _print(prospect, explain=arguments.verb == "diff")
    if any(prospect.plan.waiting for prospect in prospects):
        return ERROR
    return CHANGES if any(prospect.plan.changes for prospect in prospects) else 0


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


def _print(prospect: Prospect, *, explain: bool) -> None:
    scope, verdict, _, plan = prospect
    print(f"{scope.service} on {scope.host.name}: {verdict.action}: {verdict.why} (line {verdict.line})")
    if explain:
        _explain(prospect)
    for change in plan.changes:
        print(f"  {change.verb:<8} {change.key}: {change.why}")
        for step in change.steps:
            print(f"           {step}")
    for key, why in plan.waiting:
        print(f"  wait     {key}: {why}")
    if not plan.changes and not plan.waiting:
        print("  nothing to do")


def _explain(prospect: Prospect) -> None:
    from nvkeep.model import drift  # noqa: PLC0415 - deepdiff costs a third of a pass; only people who ask for it pay

    seen, want = prospect.observation.seen, WANT.get(prospect.verdict.action)
    here = want is Want.HERE
    known = [resource for resource in prospect.scope.resources if not isinstance(seen[resource.key], Unknown)]
    desired = {resource.key: resource.kind.desired(resource.spec) if here else None for resource in known}
    observed = {key: seen[key] for key in desired}
    differing = [key for key in desired if want and desired[key] != observed[key]]
    for key in differing:
        print(f"  drift    {drift.words(key, desired[key], observed[key])}")
    tree = drift.tree(desired, observed) if differing else ""
    print("".join(f"    {line}\n" for line in lines(tree)), end="")
