"""examples:
  nvkeep holders           who would keep the file systems of this host's services from being unmounted
  nvkeep holders nfs       of one service

Units of the service itself are stopped before anything is unmounted, and are shown so. What would be ended by the service's
`holders:` policy is shown too. docs/releasing.md has the whole escalation.

exit codes:
  0  nobody would block a release
  1  somebody would
  2  cluster.yaml is wrong, or names no service for this host
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.cli.common import chosen, file_option, load, services_option
from nvkeep.unmount.forecast import forecast


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look and print. Changes nothing."""
    cluster, host = load(arguments)
    services = chosen(cluster, host.name, arguments.services)
    blockers = {name: tuple(forecast(host, cluster.services[name], deep=True)) for name in services}
    for service, held in blockers.items():
        print("\n".join([f"{service}:", *(f"  {blocker}" for blocker in held or ("nobody",))]))
    return 1 if any(blocker.blocks for held in blockers.values() for blocker in held) else 0
