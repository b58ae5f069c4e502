"""Orders by hand for one service or this host: recorded first, then carried out by ordinary passes."""

import json
import os
import pwd
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from nvkeep import guard
from nvkeep.errors import NvkeepError, ProbeError, Unreachable
from nvkeep.handover import PAUSE, HandOver
from nvkeep.host import Host
from nvkeep.model.decision import Guard
from nvkeep.model.override import Kind, Override
from nvkeep.model.report import Report
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.overrides import Overrides
from nvkeep.passes import run_pass
from nvkeep.peers import Peer
from nvkeep.stamps import Stamps
from nvkeep.state import Store

NO_REASON = "no reason given"


def owner() -> str:
    """Name who gives an order: the person behind sudo, where there is one."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def order(host: Host, kind: Kind, service: str, reason: str, *, by: str = "", lasting: float = 0.0) -> Override:
    """Record an order on this host. `lasting`: seconds, 0 = until it is ended. Raises OSError."""
    until = host.wall() + lasting if lasting else 0.0
    given = Override(kind, service, by or owner(), reason or NO_REASON, host.date(), until)
    Overrides(host).give(given)
    return given


def stop_here(host: Host, cluster: Cluster, service: str, reason: str = "") -> Report:
    """Let go of a service here in order; this host does not take it again until another one has served it, or a start."""
    order(host, Kind.AWAY, service, reason)
    return HandOver(host, cluster, service).run()


def start_here(host: Host, cluster: Cluster, service: str) -> Report:
    """Take a service here, with or without keepalived, but never from a host that serves it. Raises OSError."""
    allow(host, service)
    Stamps(host, service).start()
    deadline = host.now() + cluster.timing.step
    while True:
        report = run_pass(host, cluster, service, role=Role.MASTER)
        if serves(host, report) or report.did == "yield" or host.now() > deadline:
            return report
        host.sleep(PAUSE)


def allow(host: Host, service: str) -> None:
    """End what keeps this host from a service because somebody said so. Raises OSError."""
    for kind in (Kind.STOPPED, Kind.AWAY):
        Overrides(host).end(kind, service)


def serves(host: Host, report: Report) -> bool:
    """Tell whether a service stands here, wholly, after a pass."""
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


def standing_of(peer: Peer, cluster: Cluster, service: str) -> dict[str, Any]:
    """Give how a service stands on another host, as `nvkeep status --json` says it; empty when it cannot be asked."""
    try:
        found = json.loads(peer.run(("nvkeep", "status", service, "--json"), cluster.timing.step).out)
        return dict(found[0])
    except (Unreachable, ValueError, IndexError, TypeError):
        return {}


def refuse_in_vain(peers: Sequence[Peer], cluster: Cluster, service: str) -> None:
    """Raise NvkeepError when every one of these hosts says that it may not take a service."""
    answers = {one.name: standing_of(one, cluster, service) for one in peers}
    reasons = [
        f"{name} may not take it: {one['eligible_why']}" for name, one in answers.items() if not one.get("eligible", True)
    ]
    if len(reasons) == len(answers):
        raise NvkeepError(f"{service} stays where it is: {'; '.join(reasons)}")


def passes_on(peers: Sequence[Peer], cluster: Cluster, service: str, say: Callable[[str], None]) -> int:
    """Have other hosts make a pass at once; 1 when one is not settled after it. Raises Unreachable."""
    code = 0
    for peer in peers:
        done = peer.run(("nvkeep", "apply", service), 4 * cluster.timing.step)
        code |= min(done.code, 1)
        say(f"{peer.name}: {(done.out or done.err).strip()}")
    return code


def start_everywhere(host: Host, cluster: Cluster, service: str) -> bool:
    """Let every host take a service again; tell whether one serves it in the end. Raises NvkeepError, OSError."""
    peers = others(host, cluster, service)
    reach(peers)
    allow(host, service)
    for kind in (Kind.STOPPED, Kind.AWAY):
        tell(peers, "override", "end", str(kind), service)
    passes_on(peers, cluster, service, lambda _: None)
    return _served(host, cluster, service)


def _served(host: Host, cluster: Cluster, service: str) -> bool:
    deadline = host.now() + cluster.timing.step
    while host.now() < deadline:
        if serves(host, run_pass(host, cluster, service)):
            return True
        with suppress(ProbeError):
            if guard.ask(host, cluster.services[service], cluster.timing) is Guard.SERVED:
                return True
        host.sleep(PAUSE)
    return False
