"""examples:
  nvkeep check                    the file that is used
  nvkeep check -f cluster.yaml    one before it is

  nvkeep check --host             also: has this host the tools its volumes need? Is keepalived configured as generated?

exit codes:
  0  it is right (warnings may be printed)
  1  it is right, but this host lacks something (--host)
  2  it is wrong: every mistake with file:line:column and what to write instead
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import config
from nvkeep.cli.common import chosen, file_option
from nvkeep.errors import CommandTimeout
from nvkeep.host import Completed, Host, LocalHost
from nvkeep.keepalived import traps
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers import VOLUME, resources
from nvkeep.reconcilers.backends import backend_of
from nvkeep.reconcilers.backends.base import Tool

NO_SUCH_PROGRAM = 127

GIVEN_UP = {
    "image": "a lease tells who holds, but does not stop a host that was frozen while it was taken",
    "device": "nvkeep alone gives no safety against two writers; something else has to fence this storage",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("--host", action="store_true", help="also look at this host")


def run(arguments: argparse.Namespace) -> int:
    """Check and say so."""
    cluster = config.load(arguments.file)
    for warning in warnings(cluster):
        print(f"warning: {warning}")
    print(f"{arguments.file}: right: {', '.join(cluster.services)} on {', '.join(cluster.hosts)}")
    return _lacking(cluster, LocalHost()) | _trapped(cluster, LocalHost()) if arguments.host else 0


def _trapped(cluster: Cluster, host: Host) -> int:
    """Print what is wrong with keepalived's configuration here; 1 when something is."""
    wrong = traps.seen(host, cluster)
    print(*(f"[NOT OK] KEEPALIVED: {one}" for one in wrong) if wrong else ("[OK] KEEPALIVED: as generated",), sep="\n")
    return 1 if wrong else 0


def _lacking(cluster: Cluster, host: Host) -> int:
    """Print one line a tool; 1 when one is missing."""
    wanted: dict[Tool, str] = {}
    for service in chosen(cluster, host.name, []):
        for one in resources(cluster, service, host.name):
            if one.kind is VOLUME:
                backend = one.spec.spec.backend
                wanted |= dict.fromkeys(backend_of(one.spec.spec).tools_of(host, one.spec), backend)
    missing = [tool for tool, backend in wanted.items() if not _has(host, tool, backend)]
    return 1 if missing else 0


def _has(host: Host, tool: Tool, backend: str) -> bool:
    try:
        done = host.run(tool.version, 10.0)
    except CommandTimeout as error:
        done = Completed(tool.version, error.code, "", error.stderr)
    there = done.code != NO_SUCH_PROGRAM
    said = next((line for line in (done.out + done.err).splitlines() if "version" in line.lower()), "there")
    mark, words = ("[OK]", said.strip()) if there else ("[NOT OK]", f"missing; {tool.origin}")
    print(f"{mark} BACKEND {backend}: {tool.version[0]}: {words}")
    return there


def warnings(cluster: Cluster) -> list[str]:
    """Name what is allowed, and what is given up by it."""
    found = []
    for name, service in cluster.services.items():
        if not service.addresses and service.health is None:
            found.append(f"service {name} has neither addresses nor health: nobody can be asked whether it is still served")
        if service.ping == "none":
            found.append(f"service {name}: ping: none: a host whose switch is cut off may take what another host still serves")
        used = {volume.backend for volume in service.volumes}
        found += [f"service {name} uses backend {backend}: {GIVEN_UP[backend]}" for backend in sorted(used & GIVEN_UP.keys())]
    return found
