"""Options and preparations that several verbs share."""

import argparse

from nvkeep import config
from nvkeep.errors import NotHere
from nvkeep.host import LocalHost
from nvkeep.model.spec import Cluster


def file_option(parser: argparse.ArgumentParser) -> None:
    """Add -f FILE."""
    parser.add_argument("-f", "--file", default=config.DEFAULT_FILE, metavar="FILE", help="default: %(default)s")


def services_option(parser: argparse.ArgumentParser) -> None:
    """Add SERVICE ..."""
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="default: every service of this host")


def chosen(cluster: Cluster, host: str, wanted: list[str]) -> tuple[str, ...]:
    """Pick the services meant. Raises NotHere, naming those that this host may run."""
    if host not in cluster.hosts:
        raise NotHere(f"{host} is not a host of this cluster; its hosts are {', '.join(cluster.hosts)}")
    mine = cluster.services_of(host)
    for one in wanted:
        if one not in mine:
            raise NotHere(f"{host} may not run {one}; it may run {', '.join(mine) or 'nothing'}")
    return tuple(wanted) or mine


def load(arguments: argparse.Namespace) -> tuple[Cluster, LocalHost]:
    """Read the configuration and name this host."""
    return config.load(arguments.file), LocalHost(getattr(arguments, "host", None))
