"""examples:
  nvkeep check                    the file that is used
  nvkeep check -f cluster.yaml    one before it is

  nvkeep check --host             also: could this host serve? One line a precondition

exit codes:
  0  it is right (warnings may be printed)
  1  it is right, but this host is not ready to serve (--host)
  2  it is wrong: every mistake with file:line:column and what to write instead
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import config
from nvkeep.checks import readiness
from nvkeep.cli.common import chosen, file_option
from nvkeep.host import Host, LocalHost
from nvkeep.model.finding import Mark
from nvkeep.model.health import example, vouches
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers.backends import backend_of

WORTH = "its health check only connects, and a host that hangs accepts connections: it would be taken from after 10 s more"
WITHOUT = "it has no health check: a host that hangs answers for its address, and would be taken from after 10 s more"


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
    return _look(cluster, LocalHost()) if arguments.host else 0


def _look(cluster: Cluster, host: Host) -> int:
    """Print one line a precondition of serving (docs/readiness.md), each once; 1 when one does not hold."""
    services = chosen(cluster, host.name, [])
    looks = dict.fromkeys(look for service in services for look in readiness.every(host, cluster, service))
    print(*looks, sep="\n")
    return 1 if any(look.mark is Mark.NOT_OK for look in looks) else 0


def warnings(cluster: Cluster) -> list[str]:
    """Name what is allowed, and what is given up by it."""
    texts = []
    for name, service in cluster.services.items():
        if not service.addresses and service.health is None:
            texts.append(f"service {name} has neither addresses nor health: nothing shows whether another host still serves it")
        elif not vouches(service.health):
            texts.append(f"service {name}: {WORTH if service.health else WITHOUT}; write {example(service.units)}")
        if service.ping == "none":
            texts.append(f"service {name}: ping: none: a host whose switch is cut off may take what another host still serves")
        given_up = {volume.backend: backend_of(volume).gives_up for volume in service.volumes}
        texts += [f"service {name} uses backend {backend}: {what}" for backend, what in sorted(given_up.items()) if what]
    return texts
