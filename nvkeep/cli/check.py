"""examples:
  nvkeep check                    the file that is used
  nvkeep check -f cluster.yaml    one before it is

exit codes:
  0  it is right (warnings may be printed)
  2  it is wrong: every mistake with file:line:column and what to write instead
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import config
from nvkeep.cli.common import file_option
from nvkeep.model.spec import Cluster

GIVEN_UP = {
    "image": "a lease tells who holds, but does not stop a host that was frozen while it was taken",
    "device": "nvkeep alone gives no safety against two writers; something else has to fence this storage",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check and say so."""
    cluster = config.load(arguments.file)
    for warning in warnings(cluster):
        print(f"warning: {warning}")
    print(f"{arguments.file}: right: {len(cluster.hosts)} hosts, {len(cluster.services)} services")
    return 0


def warnings(cluster: Cluster) -> list[str]:
    """Name what is allowed, and what is given up by it."""
    found = []
    for name, service in cluster.services.items():
        if not service.addresses and service.health is None:
            found.append(f"service {name} has neither addresses nor health: nobody can be asked whether it is still served")
        used = {volume.backend for volume in service.volumes}
        found += [f"service {name} uses backend {backend}: {GIVEN_UP[backend]}" for backend in sorted(used & GIVEN_UP.keys())]
    return found
