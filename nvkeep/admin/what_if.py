"""An event that may happen, and what each host would run then: `nvkeep plan --if EVENT`. Changes nothing."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from nvkeep.core.scope import Scope
from nvkeep.core.what_if import Assumed, consider, predicted
from nvkeep.errors import NotHere, Unreachable
from nvkeep.host import Host
from nvkeep.host import lines as cut
from nvkeep.host.ssh import Peer
from nvkeep.model.spec import Cluster
from nvkeep.state import history
from nvkeep.status import prospect
from nvkeep.status.cluster import ASK_TIMEOUT_S, look
from nvkeep.status.screen import Status, holds

EVENTS = "HOST=down, HOST=standby, SERVICE@HOST=lost, network=INTERFACE or all=boot"
UNKNOWN = "unknown"
PREDICTED = re.compile(rf"  predicted: ({UNKNOWN}|[\d.]+)\b.*")
TAKING = (Assumed.TAKE, Assumed.ACQUIRE)
WORDS = re.compile(r"(?:(?P<service>[^@=]+)@)?(?P<what>[^@=]+)=(?P<state>[^@=]+)")


class Part(NamedTuple):
    """What one host would meet of one service; `detected`: that it begins once keepalived has missed three adverts."""

    host: str
    service: str
    assumed: Assumed
    detected: bool = False


def parts(cluster: Cluster, event: str, services: Mapping[str, Mapping[str, Status]]) -> list[Part]:
    """Say who would meet what, in order. Raises NotHere for what is no event of this cluster."""
    match = WORDS.fullmatch(event)
    if not match:
        raise NotHere(f"{event} is no event; write {EVENTS}")
    service, what, state = match["service"], match["what"], match["state"]
    if service and state == "lost":
        return _lost(cluster, service, what)
    if what == "network" and not service:
        return _network(cluster, state, services)
    if (what, state) == ("all", "boot"):
        return [Part(name, one, Assumed.BOOT) for one, hosts in services.items() for name in _takers(hosts, "")[:1]]
    if what in cluster.hosts and state in ("down", "standby") and not service:
        return _gone(what, services, orderly=state == "standby")
    raise NotHere(f"{event} is no event of this cluster; write {EVENTS}; its hosts are {', '.join(cluster.hosts)}")


def _gone(name: str, services: Mapping[str, Mapping[str, Status]], *, orderly: bool) -> list[Part]:
    """Let a host release or die; the first of the others that may take over takes what it had."""
    every: list[Part] = []
    for service, hosts in services.items():
        if name in hosts and holds(hosts[name]):
            every += [Part(name, service, Assumed.RELEASE)] if orderly else []
            taken = Assumed.ACQUIRE if orderly else Assumed.TAKE
            every += [Part(heir, service, taken, detected=not orderly) for heir in _takers(hosts, name)[:1]]
    return every


def _lost(cluster: Cluster, service: str, name: str) -> list[Part]:
    if service not in cluster.services or name not in cluster.services[service].hosts:
        raise NotHere(f"{name} is no host of {service}; write SERVICE@HOST=lost, a service and one of its hosts")
    return [Part(name, service, Assumed.LOSE)]


def _network(cluster: Cluster, interface: str, services: Mapping[str, Mapping[str, Status]]) -> list[Part]:
    """Let a network be down: heartbeats are not heard, or it is the network of the service itself."""
    beats = {beat.interface for member in cluster.hosts.values() for beat in member.heartbeats}
    serves = {address.interface for spec in cluster.services.values() for address in spec.addresses}
    if interface not in beats | serves:
        raise NotHere(f"{interface} is no network of this cluster; its interfaces are {', '.join(sorted(beats | serves))}")
    every: list[Part] = []
    for service, hosts in services.items():
        cut = any(address.interface == interface for address in cluster.services[service].addresses)
        for name, status in hosts.items():
            if cut:
                every.append(Part(name, service, Assumed.UNPLUG))
            elif not holds(status):
                alone = {beat.interface for beat in cluster.hosts[name].heartbeats} == {interface}
                every.append(Part(name, service, Assumed.HEAR_NOTHING if alone else Assumed.HEAR_LESS, detected=True))
    return every


def _takers(hosts: Mapping[str, Status], without: str) -> Sequence[str]:
    """Name the hosts that may take over, those preferred first."""
    return [name for name, status in hosts.items() if name != without and status.get("eligible")]


# --- in lines ---------------------------------------------------------------------------------------------------------


def lines(host: Host, cluster: Cluster, event: str) -> Iterator[str]:
    """Ask each host what it would run, in order. Raises NotHere."""
    services = look(host, cluster, cluster.services_of(host.name)).services
    every = parts(cluster, event, services)
    for service, met in groupby(every, lambda part: part.service):
        yield from _met(host, cluster, service, list(met))
    for service, hosts in services.items():
        if all(part.service != service for part in every):
            yield f"{service}: {_nobody(hosts)}"
    for service in cluster.services.keys() - services.keys():
        yield f"{service}: not looked at, {host.name} may not run it; type this on {cluster.services[service].hosts[0]}"


def _met(host: Host, cluster: Cluster, service: str, every: Sequence[Part]) -> Iterator[str]:
    """Say what each host would run for a service, in order, and for how long it would be away."""
    steps: list[str] = []
    for part in every:
        if part.detected:
            steps.append(f"{3.5 * cluster.timing.advert:.2f}")
            yield f"{service}: keepalived on {part.host} detects it after about {steps[-1]} s"
        words = f"{service}={part.assumed}"
        printed = [*assumed(host, cluster, [words])] if part.host == host.name else _asked(host, part.host, words)
        took = [match[1] for line in printed if (match := PREDICTED.fullmatch(line))]
        steps += took or ([UNKNOWN] if part.assumed in TAKING else [])
        yield from printed
    if any(part.assumed in TAKING for part in every):
        away = "an unknown time" if UNKNOWN in steps else f"about {sum(map(float, steps)):.2f} s"
        yield f"{service}: away for {away}, until it answers again"


def _nobody(hosts: Mapping[str, Status]) -> str:
    """Say why no host would run anything for a service."""
    unheard = [f"{name}: {status['unheard']}" for name, status in hosts.items() if "unheard" in status]
    if unheard:
        return f"unknown: {unheard[0]}"
    unfit = [f"{name}: {status.get('eligible_why')}" for name, status in hosts.items() if not status.get("eligible")]
    return f"no host would run anything{f'; not able to take over: {unfit[0]}' if unfit else ''}"


def _asked(host: Host, name: str, words: str) -> list[str]:
    try:
        done = Peer(host, name).run(("nvkeep", "plan", "--assume", words), ASK_TIMEOUT_S)
    except Unreachable as error:
        return [f"{name}: unknown: {error}"]
    return cut(done.out) + [f"{name}: {line}" for line in cut(done.err)]


def assumed(host: Host, cluster: Cluster, words: Sequence[str]) -> Iterator[str]:
    """Say what this host would run, each as SERVICE=ASSUMED. Raises NotHere."""
    for word in words:
        service, _, event = word.partition("=")
        if service not in cluster.services_of(host.name) or event not in set(Assumed):
            raise NotHere(f"--assume {word}: write SERVICE=EVENT, a service of this host, and one of {', '.join(Assumed)}")
        seen = consider(Scope(host, cluster, service), Assumed(event))
        yield from prospect.lines(seen)
        if seen.plan.changes:
            took = predicted(seen.plan, history.read(host, service))
            yield f"  predicted: {'unknown, not each of these was done here yet' if took is None else f'{took:.2f} s'}"
