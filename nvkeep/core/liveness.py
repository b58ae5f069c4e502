"""Does somebody still serve? Asked before a volume is taken from the host that holds it. Changes nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from nvkeep.errors import CommandTimeout, ProbeError
from nvkeep.host import Host
from nvkeep.model.decision import Guard
from nvkeep.model.health import CommandHealth, port_of, question
from nvkeep.model.spec import Address, Service, Timing

PROBES = 3
CANNOT_RUN = (126, 127)  # not executable, not there: that says nothing about the service
WATCH_POLL_S = 0.02  # between two looks at what a watch has heard
WATCH_FRESH_S = 0.2  # for which the word of a watch counts at least, however fast the adverts are
PROBE_LONGEST_S = 0.25  # one probe listens; a neighbour answers within milliseconds
ANSWER_LONGEST_S = 2.0  # for the answer of a service that has accepted a connection, as for a command


class Unanswered(NamedTuple):
    """What a watch has heard of the addresses: nothing, in so many probes up to a time, since one before (seconds since boot).

    `since`: the last answer, or the first question where there was none. So keepalived counts as well.
    """

    since: float
    until: float
    probes: int


Watched = Callable[[], Unanswered | None]


def known(host: Host, service: Service, timing: Timing, watched: Watched) -> Guard:
    """Go by what a watch has heard until now. Asks nobody, and waits for nothing."""
    heard = _unanswered(host, timing, watched)
    return Guard.SILENT if heard and _lasted(host, service, timing, heard) else Guard.UNASKED


def ask(host: Host, service: Service, timing: Timing, watched: Watched = lambda: None) -> Guard:
    """Go by a watch that hears nothing, as soon as that has lasted long enough; where there is none, or it has heard, ask."""
    while heard := _unanswered(host, timing, watched):
        if _lasted(host, service, timing, heard):
            return Guard.SILENT
        host.sleep(WATCH_POLL_S)
    return _ask(host, service, timing)


def _unanswered(host: Host, timing: Timing, watched: Watched) -> Unanswered | None:
    """Give what a watch that goes on has heard, where its last probe at least was not answered."""
    heard = watched()
    fresh = heard and host.now() - heard.until <= max(2 * timing.advert, WATCH_FRESH_S)
    return heard if heard and fresh and heard.probes else None


def _lasted(host: Host, service: Service, timing: Timing, heard: Unanswered) -> bool:
    window = timing.liveness_window(service.hosts.index(host.name))
    return heard.probes >= PROBES and heard.until - heard.since >= window


def _ask(host: Host, service: Service, timing: Timing) -> Guard:
    """Probe until one probe is answered, or three, spread over a master-down interval, were not.

    With `health:` that is the probe, through the floating address; else ARP or neighbour discovery for the address, where an
    answer of this host itself is none. Raises ProbeError when a probe cannot be sent: then nothing may be taken.
    """
    apart = timing.master_down / (PROBES - 1)
    for probe in range(PROBES):
        begun = host.now()
        if answered(host, service, min(apart, PROBE_LONGEST_S)):
            return Guard.SERVED
        if probe < PROBES - 1:
            host.sleep(max(0.0, begun + apart - host.now()))
    return Guard.SILENT


def answered(host: Host, service: Service, timeout: float, longest: float = ANSWER_LONGEST_S) -> bool:
    """Ask once, for so many seconds; `longest`: for the answer once a connection is accepted. Raises ProbeError."""
    health, asked = service.health, question(service.health)
    if isinstance(health, CommandHealth):
        return _healthy(host, health)
    if not service.addresses:
        return False

    def probe(address: Address) -> bool:
        ip = str(address.address.ip)
        if health is None:
            return host.answers(address.interface, ip, timeout)
        if asked:
            return host.converses(ip, port_of(health), *asked, (timeout, longest))
        return host.connects(ip, port_of(health), timeout)

    try:
        with ThreadPoolExecutor(len(service.addresses)) as pool:
            return any(pool.map(probe, service.addresses))
    except (OSError, ValueError) as error:
        raise ProbeError(f"the guard cannot ask: {error}") from error


def _healthy(host: Host, health: CommandHealth) -> bool:
    try:
        done = host.run(health.command, ANSWER_LONGEST_S)
    except CommandTimeout:
        return False
    if done.code in CANNOT_RUN:
        raise ProbeError(f"the health command cannot be run here: {done.err.strip()}")
    return done.code == 0
