"""Orders by hand for one service or this host: recorded first, then carried out by ordinary passes."""

import os
import pwd
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from nvkeep import log
from nvkeep.admin.drain import PASS_INTERVAL_S, Drain
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import NvkeepError, ProbeError, Unreachable
from nvkeep.host import Host
from nvkeep.host.ssh import Peer, json_of
from nvkeep.model.decision import Action
from nvkeep.model.override import Kind, Override
from nvkeep.model.report import Report
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.state.orders import Overrides, Timestamps
from nvkeep.state.service import Store
from nvkeep.status.cluster import whole

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


def order_everywhere(
    host: Host, peers: Sequence[Peer], kind: Kind, service: str, reason: str, *, lasting: float = 0.0
) -> Override:
    """Record an order on every host, or on none: first on the others. Raises NvkeepError, OSError."""
    new, informed = _in_force(host, kind, service) is None, list[Peer]()
    try:
        for peer in peers:
            informed.append(peer)
            tell([peer], "override", "set", str(kind), service, *order_words(host.name, reason, lasting))
        return order(host, kind, service, reason, lasting=lasting)
    except (NvkeepError, OSError) as error:
        left = f"it is ordered on no host{_take_back(informed, str(kind), service)}" if new else "the previous order stays"
        raise NvkeepError(f"{error}; {left}") from error


def _take_back(peers: Sequence[Peer], *ended: str) -> str:
    """End an order that could not be given everywhere; say where it may still hold."""
    left = ""
    for peer in peers:
        try:
            tell([peer], "override", "end", *ended)
        except NvkeepError:
            left += f", but maybe on {peer.name}: ssh {peer.name} nvkeep override end {' '.join(ended)}"
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


def serves(host: Host, report: Report) -> bool:
    """Return whether a service stands here, wholly, after a pass."""
    return Store(host, report.service).claimed() and report.settled


def others(host: Host, cluster: Cluster, service: str) -> list[Peer]:
    """List the other hosts that may run a service."""
    return [Peer(host, name) for name in cluster.services[service].hosts if name != host.name]


def reach(peers: Sequence[Peer]) -> None:
    """See that every one of them can be given an order, before the first is. Raises Unreachable."""
    for peer in peers:
        peer.run(("true",))


def tell(peers: Sequence[Peer], *words: str) -> None:
    """Give the same nvkeep command to other hosts. Raises Unreachable, and NvkeepError where one refuses."""
    for peer in peers:
        done = peer.run(("nvkeep", *words))
        if done.code:
            raise NvkeepError(
                f"{peer.name}: `nvkeep {' '.join(words)}` ended with {done.code}: {done.err.strip() or done.out.strip()}"
            )


def status_of(peer: Peer, cluster: Cluster, service: str) -> dict[str, Any]:
    """Give how a service stands on another host, as `nvkeep status --json` says it; empty when it cannot be asked."""
    try:
        statuses = json_of(peer.name, peer.run(("nvkeep", "status", service, "--json"), cluster.timing.step))
        return dict(statuses[0])
    except (Unreachable, ValueError, IndexError, TypeError):
        return {}


def refuse_in_vain(peers: Sequence[Peer], cluster: Cluster, service: str) -> None:
    """Raise NvkeepError unless one of these hosts says that it may take a service."""
    answers = {peer.name: status_of(peer, cluster, service) for peer in peers}
    if any(status.get("eligible") for status in answers.values()):
        return
    reasons = [f"{name} {_unfit(name, status)}" for name, status in answers.items()] or ["there is no other host for it"]
    raise NvkeepError(f"{service} stays where it is: {'; '.join(reasons)}; to do it anyway: --force")


def _unfit(name: str, seen: dict[str, Any]) -> str:
    """Say why a host is not known to be able to take a service."""
    return f"may not take it: {seen['eligible_why']}" if seen else f"cannot be asked whether it may take it (ssh {name} true)"


def passes_on(peers: Sequence[Peer], cluster: Cluster, service: str, say: Callable[[str], None]) -> int:
    """Have other hosts make a pass at once; 1 when one is not settled after it. Raises Unreachable."""
    code = 0
    for peer in peers:
        done = peer.run(("nvkeep", "apply", service), 4 * cluster.timing.step)
        code |= min(done.code, 1)
        say(f"{peer.name}: {(done.out or done.err).strip()}")
    return code


def start_everywhere(host: Host, cluster: Cluster, service: str) -> bool:
    """Let every host take a service again; return whether one serves it in the end. Raises NvkeepError, OSError."""
    peers = others(host, cluster, service)
    reach(peers)
    allow(host, service)
    for kind in (Kind.STOPPED, Kind.AWAY):
        tell(peers, "override", "end", str(kind), service)
    passes_on(peers, cluster, service, lambda _: None)
    return _served(host, cluster, service, peers)


def _served(host: Host, cluster: Cluster, service: str, peers: Sequence[Peer]) -> bool:
    """Wait until it stands here wholly, or another host says that it does there: an address may answer before its unit."""
    deadline = host.now() + cluster.timing.step
    while host.now() < deadline:
        if serves(host, run_pass(host, cluster, service)) or any(whole(status_of(peer, cluster, service)) for peer in peers):
            return True
        host.sleep(PASS_INTERVAL_S)
    return False
