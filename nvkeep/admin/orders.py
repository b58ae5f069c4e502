"""Orders by hand for one service or this host: recorded first, then carried out by ordinary passes."""

import os
import pwd
from contextlib import suppress

from nvkeep import log
from nvkeep.admin.drain import PASS_INTERVAL_S, Drain, serves
from nvkeep.admin.peers import Peers
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Action
from nvkeep.model.override import Kind, Override
from nvkeep.model.report import Report
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.state.orders import Overrides, Timestamps

NO_REASON = "no reason given"


def owner() -> str:
    """Name who gives an order: the person behind sudo, where there is one."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def order(host: Host, kind: Kind, service: str, reason: str, *, by: str = "", lasting: float = 0.0) -> Override:
    """Record an order on this host, and give the one that holds. `lasting`: seconds, 0 = until it is ended. Raises OSError.

    Given again, with nothing new to say, the first one stays as it is: with its owner, its reason and its end.
    """
    before = _in_force(host, kind, service)
    if before and not lasting and reason in ("", before.reason):
        return before
    until = host.wall() + lasting if lasting else 0.0
    given = Override(kind, service, by or owner(), reason or NO_REASON, host.date(), until)
    Overrides(host).give(given)
    log.note(f"ordered: {given}{f' (instead of: {before})' if before else ''}", service=service)
    return given


def _in_force(host: Host, kind: Kind, service: str) -> Override | None:
    with suppress(ProbeError):  # one that cannot be read is replaced
        order = Overrides(host).read(kind, service)
        return order if order and not order.over(host.wall()) else None
    return None


def order_words(name: str, reason: str, lasting: float) -> tuple[str, ...]:
    """Give the options of an order that this host, by its `name`, hands on to another one."""
    words = ("--by", f"{owner()} on {name}", "--reason", reason)
    return (*words, "--for", f"{lasting:.0f}s") if lasting else words


def order_everywhere(peers: Peers, kind: Kind, reason: str, *, lasting: float = 0.0) -> Override:
    """Record an order on this host and its peers, or on none: first on the peers. Raises NvkeepError, OSError."""
    host, service = peers.host, peers.service
    new, informed = _in_force(host, kind, service) is None, list[str]()
    try:
        for name in peers.names:
            informed.append(name)
            peers.only(name).tell("override", "set", str(kind), service, *order_words(host.name, reason, lasting))
        return order(host, kind, service, reason, lasting=lasting)
    except (NvkeepError, OSError) as error:
        left = _take_back(peers.only(*informed), str(kind), service) if new else "the previous order stays"
        raise NvkeepError(f"{error}; {left}") from error


def _take_back(peers: Peers, *ended: str) -> str:
    """End an order that could not be given everywhere; say where it may still hold."""
    left = "it is ordered on no host"
    for name in peers.names:
        try:
            peers.only(name).tell("override", "end", *ended)
        except NvkeepError:
            left += f", but maybe on {name}: ssh {name} nvkeep override end {' '.join(ended)}"
    return left


def stop_here(host: Host, cluster: Cluster, service: str, reason: str = "") -> Report:
    """Release a service here in order; this host does not take it again until another one has served it, or a start."""
    order(host, Kind.AWAY, service, reason)
    return Drain(host, cluster, service).run()


def start_here(host: Host, cluster: Cluster, service: str) -> Report:
    """Take a service here, with or without keepalived, but never from a host that serves it. Raises OSError."""
    allow(host, service)
    Timestamps(host, service).start()
    deadline = host.now() + cluster.timing.step
    while True:
        report = run_pass(host, cluster, service, role=Role.MASTER)
        if serves(host, report) or report.did is Action.YIELD or host.now() > deadline:
            return report
        host.sleep(PASS_INTERVAL_S)


def allow(host: Host, service: str) -> None:
    """End what keeps this host from a service because somebody said so. Raises OSError."""
    for kind in (Kind.STOPPED, Kind.AWAY):
        Overrides(host).end(kind, service)


def start_everywhere(host: Host, cluster: Cluster, service: str) -> bool:
    """Let every host take a service again; return whether one serves it in the end. Raises NvkeepError, OSError."""
    peers = Peers(host, cluster, service)
    peers.reach()
    allow(host, service)
    for kind in (Kind.STOPPED, Kind.AWAY):
        peers.tell("override", "end", str(kind), service)
    peers.make_pass()
    return _served(host, cluster, service, peers)


def _served(host: Host, cluster: Cluster, service: str, peers: Peers) -> bool:
    """Wait until it stands here wholly, or another host says that it does there: an address may answer before its unit."""
    deadline = host.now() + cluster.timing.step
    while host.now() < deadline:
        if serves(host, run_pass(host, cluster, service)) or peers.server():
            return True
        host.sleep(PASS_INTERVAL_S)
    return False
