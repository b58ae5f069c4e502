"""examples:
  nvkeep keepalived                                        print this host's part of keepalived's configuration
  nvkeep keepalived --install                              put it into /etc/keepalived/nvkeep.conf, and have it included
  nvkeep keepalived --check                                is what stands there as generated, and would it work?
  nvkeep keepalived --host server02 --for-version 2.0.20   another host's, with another keepalived

--install leaves what others wrote in /etc/keepalived/keepalived.conf as it is, and adds one include line. keepalived looks
at the files before they are put in place (`keepalived -t`); it is reloaded only if they changed and it runs; and when it does
not come back with every instance of nvkeep, the previous files are put back.

exit codes:
  0  printed; in place, or nothing to change; as generated
  1  refused, and nothing was changed; not as generated (--check)
  2  cluster.yaml is wrong or names no service for this host, or this keepalived does not go with nvkeep
  3  keepalived did not come back; the previous files are in place, and it runs with them
  4  keepalived did not come back, and does not run with the previous files either
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys

from nvkeep import keepalived
from nvkeep.cli import REFUSED
from nvkeep.cli.common import chosen, file_option, load, refuse_others_than_root
from nvkeep.errors import Unsuited
from nvkeep.host import Host
from nvkeep.keepalived import version
from nvkeep.keepalived.drift import build_of
from nvkeep.model.spec import Cluster


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("--host", metavar="NAME", help="default: this host")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--install", action="store_true", help="put it in place, and have keepalived take it")
    either.add_argument("--check", action="store_true", help="compare what stands in place with it, and look for traps")
    either.add_argument("--for-version", metavar="VERSION", help="default: of the keepalived of this host")


def run(arguments: argparse.Namespace) -> int:
    """Print, install or check."""
    cluster, host = load(arguments)
    chosen(cluster, host.name, [])
    try:
        if arguments.install:
            return _install(host, cluster)
        return _check(host, cluster) if arguments.check else _print(host, cluster, arguments.for_version)
    except Unsuited as error:
        print(f"nvkeep: {error}", file=sys.stderr)
        return REFUSED


def _print(host: Host, cluster: Cluster, wanted: str | None) -> int:
    known = version.Version.parse(wanted) if wanted else version.here(host)
    sys.stdout.write(keepalived.configuration(cluster, host.name, build_of(host, known)))
    return 0


def _install(host: Host, cluster: Cluster) -> int:
    from nvkeep.keepalived.install import installer  # noqa: PLC0415 - only here

    refuse_others_than_root()
    done = installer.install(host, cluster, version.here(host))
    print(*done.lines, sep="\n", file=sys.stderr if done.code else sys.stdout)
    return done.code


def _check(host: Host, cluster: Cluster) -> int:
    from nvkeep.keepalived.install import checks  # noqa: PLC0415 - only here

    wrong = checks.seen(host, cluster)
    print(*(wrong or ("as generated",)), sep="\n")
    return 1 if wrong else 0
