"""Options and preparations that several verbs share."""

import argparse

from nvkeep import config, state
from nvkeep.errors import NotHere, UnsafeFile
from nvkeep.host import LocalHost
from nvkeep.host.files import others_can_write
from nvkeep.model.report import SETTLED, Report
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


def named(cluster: Cluster, host: str, wanted: list[str], verb: str) -> tuple[str, ...]:
    """Pick the services meant, where none must be meant by leaving it out. Raises NotHere."""
    services = chosen(cluster, host, wanted)
    if not wanted:
        raise NotHere(f"{verb} wants the name of a service; this host may run {', '.join(services)}")
    return services


def unsettled(report: Report) -> list[str]:
    """Say a line for each resource that is not as it should be after a pass."""
    return [f"{one.word} {one.key}: {one.reason}" for one in report.outcomes if one.word not in SETTLED]


def load(arguments: argparse.Namespace) -> tuple[Cluster, LocalHost]:
    """Read the configuration and name this host."""
    return config.load(arguments.file), LocalHost(getattr(arguments, "host", None))


def refuse_unsafe_state() -> None:
    """Raise UnsafeFile when others can write what decides here: a forged claim or role would move a service."""
    for directory in (state.RUN, state.VAR):
        if others_can_write(directory):
            raise UnsafeFile(
                f"{directory} can be written by others than root; chown root {directory} && chmod go-w {directory}"
            )
