"""examples:
  nvkeep reset nfs     this host may start nfs again, now

Forgets what keeps this host from a service: that it is held (too many starts that did not last), the cool-down after a failure,
backing off, and the fencing record. Then a pass is made. Nothing is taken from a host that serves.

exit codes:
  0  forgotten, and the pass settled
  1  forgotten; the pass did not settle: the output names what is missing
  2  cluster.yaml is wrong, or this host may not run the service
  5  stuck: something was not released
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.cli import apply
from nvkeep.cli.common import file_option, load, named, refuse_others_than_root, services_option
from nvkeep.state.service import Store


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Forget, and make a pass."""
    cluster, host = load(arguments)
    services = named(cluster, host.name, arguments.services, "reset")
    refuse_others_than_root()
    for service in services:
        store = Store(host, service)
        with store.lock():
            store.reset()
        print(f"{service}: reset")
    return apply.passes(arguments.file, arguments.services)
