"""examples:
  nvkeep role                    what keepalived says
  nvkeep role nfs --set MASTER   emergency: this host takes nfs although keepalived is not there to say so
  nvkeep role nfs --unset        keepalived decides again

A role set by hand lasts until it is unset or the host reboots. The volume's holder still decides who may write: nothing is
taken from a host that serves.

exit codes:
  0  shown or set
  1  not set
  2  cluster.yaml is wrong, or this host may not run the service
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import keepalived
from nvkeep.cli.common import chosen, file_option, load, named, refuse_others_than_root, services_option
from nvkeep.model.role import Role
from nvkeep.state.host import last_roles
from nvkeep.state.service import Store

SETTABLE = [str(role) for role in Role if role is not Role.NONE]


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--set", choices=SETTABLE, dest="to", help="set the role by hand")
    either.add_argument("--unset", action="store_true", help="give it back to keepalived")


def run(arguments: argparse.Namespace) -> int:
    """Show or set."""
    cluster, host = load(arguments)
    services = chosen(cluster, host.name, arguments.services)
    if arguments.to:
        named(cluster, host.name, arguments.services, "--set")
    if arguments.to or arguments.unset:
        refuse_others_than_root()
        for service in services:
            Store(host, service).set_role(Role(arguments.to) if arguments.to else None)
            print(f"{service}: role {f'{arguments.to} by hand' if arguments.to else 'by keepalived'}; next: nvkeep apply")
        return 0
    roles = keepalived.ask(host)
    if roles.why == keepalived.ONLY_ROOT:
        roles = last_roles(host)
    for service in services:
        manual = Store(host, service).manual_role()
        seen = manual or roles.of(keepalived.instances(cluster, service, host.name))
        words = ", ".join(f"{name} {word}" for name, word in roles.words) or roles.why
        print(f"{service}: {seen}{' (by hand)' if manual else ''} ({words})")
    return 0
