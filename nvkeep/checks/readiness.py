"""Could this host serve? Every precondition of serving, probed here, with what is wrong and the command that fixes it.

One list for `nvkeep check --host`, `nvkeep setup`, `nvkeep status` and every pass. A pass looks only at what is quick (files,
and one `systemctl show`), and only on a host that does not serve: the holder stays, whatever is missing there. Changes nothing.
What a resource needs on the host, its kind knows (reconcilers/); here is what all of them need, and the order.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from nvkeep import keepalived
from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.keepalived import binding
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Finding, Found, Mark, lacking, seen
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers import Resource, equipped, resources, volumes
from nvkeep.state import host as host_state


def unmet(host: Host, cluster: Cluster, service: str) -> list[Finding]:
    """Name every precondition of serving that does not hold on this host; what is unknown is not among them."""
    return lacking(every(host, cluster, service))


def quick(host: Host, cluster: Cluster, needed: Sequence[Resource], *, free: bool, by_hand: bool) -> list[Finding]:
    """Name what shows unmet at little cost.

    `free`: nobody holds the volumes, and this host is not about to take them, so the neighbours are asked for the
    addresses; `by_hand`: keepalived's configuration need not be as generated.
    """
    looks = [*_here(host, needed), *(_elsewhere(host, needed) if free else ())]
    about_keepalived = () if by_hand else _keepalived(keepalived.drifted(host, cluster), binding.deaf(host, cluster))
    return lacking([*looks, *about_keepalived, *_state(host)])


def every(host: Host, cluster: Cluster, service: str) -> Iterator[Found]:
    """Probe every precondition of one service, also what takes a moment."""
    from nvkeep.keepalived.install import checks  # noqa: PLC0415 - a pass does without

    needed = [equipped(host, resource) for resource in resources(cluster, service, host.name)]
    yield from _here(host, needed, thorough=True)
    yield from _elsewhere(host, needed) if _free(host, needed) else ()
    yield from _keepalived(*checks.seen(host, cluster))
    yield from _state(host)


def _here(host: Host, needed: Sequence[Resource], *, thorough: bool = False) -> Iterator[Found]:
    """Look at what the resources need on this host, kind by kind."""
    for kind in dict.fromkeys(resource.kind for resource in needed):
        specs = [resource.spec for resource in needed if resource.kind is kind]
        yield from kind.prerequisites(host, specs, thorough=thorough)


def _elsewhere(host: Host, needed: Sequence[Resource]) -> Iterator[Found]:
    """Look for what another host has while nobody holds the volumes; a sign counts only if nobody has taken them meanwhile."""
    for resource in needed:
        sign = resource.kind.elsewhere(host, resource.spec)
        if sign and (isinstance(sign, str) or _free(host, needed)):
            yield seen(f"{resource.kind.title} {resource.key.name}", sign)


def _free(host: Host, needed: Sequence[Resource]) -> bool:
    with suppress(ProbeError, OSError):
        return all(volume.holder(host).holder is Holder.NOBODY for volume in volumes(needed))
    return False


def _keepalived(*wrong: Finding | None) -> Iterator[Found]:
    yield from (Found(finding.what, Mark.NOT_OK, finding.why, finding.fix, finding.code) for finding in wrong if finding)
    if not any(wrong):
        yield Found("KEEPALIVED", Mark.OK, "as generated")


def _state(host: Host) -> Iterator[Found]:
    wrong = host_state.unwritable(host)
    yield Found(wrong.what, Mark.NOT_OK, wrong.why, wrong.fix) if wrong else Found("STATE", Mark.OK, "can be recorded")
