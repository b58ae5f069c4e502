"""Options and preparations that several verbs share."""

import argparse
import os
import sys
from collections.abc import Sequence

from nvkeep import config, log
from nvkeep.errors import NotHere, NvkeepError, UnsafeFile
from nvkeep.host import Host, LocalHost
from nvkeep.host.files import others_can_write
from nvkeep.host.ssh import Peer
from nvkeep.model.report import SETTLED, Report
from nvkeep.model.spec import Cluster
from nvkeep.state.files import RUN, VAR

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DIGITS = 9
LONGEST_S = 3653 * 86400.0  # ten years


def file_option(parser: argparse.ArgumentParser) -> None:
    """Add -f FILE."""
    parser.add_argument("-f", "--file", default=config.DEFAULT_FILE, metavar="FILE", help="default: %(default)s")


def services_option(parser: argparse.ArgumentParser) -> None:
    """Add SERVICE ..."""
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="default: every service of this host")


def chosen(cluster: Cluster, host: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """Pick the services meant. Raises NotHere, naming those that this host may run."""
    if host not in cluster.hosts:
        raise NotHere(f"{host} is not a host of this cluster; its hosts are {', '.join(cluster.hosts)}")
    mine = cluster.services_of(host)
    for service in wanted:
        if service not in mine:
            raise NotHere(f"{host} may not run {service}; it may run {', '.join(mine) or 'nothing'}")
    return tuple(wanted) or mine


def named(cluster: Cluster, host: str, wanted: list[str], verb: str) -> tuple[str, ...]:
    """Pick the services meant, where none must be meant by leaving it out. Raises NotHere."""
    services = chosen(cluster, host, wanted)
    if not wanted:
        raise NotHere(f"{verb} wants the name of a service; this host may run {', '.join(services)}")
    return services


def lasting(text: str) -> float:
    """Read a length of time such as 90s, 30m, 2h or 1d; give seconds. For argparse."""
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or len(number) > DIGITS or unit not in SECONDS or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a length of time; write 90s, 30m, 2h or 1d")
    seconds = float(int(number) * SECONDS[unit])
    if seconds > LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than ten years; leave it out, and end it by hand")
    return seconds


def order_options(parser: argparse.ArgumentParser) -> None:
    """Add what every order by hand may have."""
    parser.add_argument("--reason", default="", metavar="TEXT", help="for your colleagues; nvkeep status prints it")
    parser.add_argument("--for", dest="lasting", type=lasting, default=0.0, metavar="TIME", help="90s, 30m, 2h or 1d")


def unsettled(report: Report) -> list[str]:
    """Say a line for each resource that is not as it should be after a pass."""
    return [f"{outcome.word} {outcome.key}: {outcome.reason}" for outcome in report.outcomes if outcome.word not in SETTLED]


def tell_gone(reports: Sequence[Report]) -> int:
    """Say what is left of each service after it was released; 1 when something is."""
    for report in reports:
        if report.gone:
            print(f"{report.service}: nothing of it is left here")
            continue
        print(f"{report.service}: {report.did}: {report.why}; nvkeep status {report.service}", file=sys.stderr)
        for line in unsettled(report):
            print(f"  {line}", file=sys.stderr)
    return 0 if all(report.gone for report in reports) else 1


def on_host(host: Host, cluster: Cluster, name: str, words: tuple[str, ...], within: float) -> int:
    """Type an nvkeep command on another host of the cluster; give its exit code. Raises NotHere, Unreachable."""
    if name not in cluster.hosts:
        raise NotHere(f"{name} is not a host of this cluster; its hosts are {', '.join(cluster.hosts)}")
    done = Peer(host, name).run(("nvkeep", *words), within)
    print(done.out, end="")
    print(done.err, end="", file=sys.stderr)
    return done.code


def load(arguments: argparse.Namespace) -> tuple[Cluster, LocalHost]:
    """Read the configuration and name this host."""
    return config.load(arguments.file), LocalHost(getattr(arguments, "host", None))


def service_options(parser: argparse.ArgumentParser, here: str) -> None:
    """Add -f FILE, SERVICE, and --here with its help."""
    file_option(parser)
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--here", action="store_true", help=here)


def ordered(arguments: argparse.Namespace) -> tuple[Cluster, LocalHost, str]:
    """Prepare for an order over one service: read the configuration, name this host, refuse what is not its own."""
    refuse_unsafe_state()
    cluster, host = load(arguments)
    (service,) = chosen(cluster, host.name, [arguments.service])
    refuse_others_than_root()
    log.setup(quiet=True)
    return cluster, host, service


def refuse_others_than_root() -> None:
    """Refuse before anything is done: the errors of other hosts over ssh would not name the cause. Raises NvkeepError."""
    if os.geteuid():
        raise NvkeepError("permission denied; run it as root")


def refuse_unsafe_state() -> None:
    """Raise UnsafeFile when others can write what decides here: a forged claim or role would move a service."""
    for directory in (RUN, VAR):
        if others_can_write(directory):
            raise UnsafeFile(
                f"{directory} can be written by others than root; chown root {directory} && chmod go-w {directory}"
            )
