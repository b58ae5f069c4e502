"""What a plan runs to unmount, and what a person can type: umount, and where that is refused, steps with a deadline.

Told by name as they are taken: who holds the file system (processes, nested and bind mounts, other mount namespaces, loop
devices, swap, NFS exports); SIGTERM; SIGKILL. --holders says who may be ended: none; unit (processes of --units); all
(everybody but pid 1, nvkeep, keepalived, and this command's own parents). What is mounted below PATH goes first. Never lazy.

example:
  nvkeep umount /srv/pg --device /dev/nvmesh/vol1 --holders unit --units postgresql@15-main.service --within 30

exit codes:
  0  unmounted, and the kernel has released the file system; or nothing is mounted at PATH, and the output says so
  1  still held: one sentence says by whom, and what to type
"""

import argparse
import os
import sys

from nvkeep import log
from nvkeep.host import LocalHost
from nvkeep.probes import mountinfo
from nvkeep.unmount import escalation


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("--device", default="", help="the volume's device: its users count wherever they see it")
    parser.add_argument("--holders", choices=("none", "unit", "all"), default="none", help="who may be ended (%(default)s)")
    parser.add_argument("--units", default="", metavar="UNIT,...", help="the service's own units")
    parser.add_argument("--beside", default="", metavar="PATH,...", help="other places where the device may stay mounted")
    parser.add_argument("--within", type=float, default=30.0, metavar="SECONDS", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Run the escalation; the last words are on stderr, the steps on stdout and in the log."""
    os.chdir("/")  # this very process must not hold what it is to unmount
    log.setup(quiet=True)
    host = LocalHost()

    def say(step: str) -> None:
        print(step, flush=True)
        log.note(f"{arguments.path}: {step}", resource=f"mount {arguments.path}")

    try:
        units, beside = (tuple(filter(None, words.split(","))) for words in (arguments.units, arguments.beside))
        units = escalation.own_names(host, units if arguments.holders == "unit" else ())
        if all(
            entry.path != arguments.path for entry in mountinfo.read(host)
        ):  # a PATH mistyped must not look like one unmounted
            say(f"nothing is mounted at {arguments.path}")
        request = escalation.Request(arguments.path, arguments.device, arguments.holders, units, arguments.within, beside)
        left = escalation.Escalation(host, request, say, escalation.family(host, os.getpid())).run()
    except Exception as error:  # noqa: BLE001 - a step that cannot be taken must not end without a word
        left = f"{arguments.path} is busy, and nvkeep cannot determine who holds it: {error}"
    if left:
        print(left, file=sys.stderr)
    return 1 if left else 0
