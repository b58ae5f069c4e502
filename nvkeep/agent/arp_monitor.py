"""A standby watches the addresses before it is master, so that a takeover after a crash need not wait for the liveness check.

It asks the neighbours for the floating addresses all the time (agent/subject.py: for which when) and remembers how long nobody
has answered. Where a service is here, it listens for another host that claims its address (one that wakes from a freeze does),
and tells the neighbours at once; the host that wakes hears the same, and is silent, because the volume is not its own any more.
It decides nothing.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import groupby

from nvkeep.agent.subject import SUSPECT_S, Subject, every, pauses
from nvkeep.core.due import Due
from nvkeep.core.liveness import Unanswered
from nvkeep.host import Host
from nvkeep.host.wire import Listener, listen
from nvkeep.model.spec import Cluster
from nvkeep.state.service import Store

LOOK_S = 1.0  # between two looks at whether a service is here, and at the links
PAUSE_S = 0.5  # that one round may take longer than it listens
RESTART_AFTER_S = 0.2  # until a watch begins again
ANNOUNCE_GAP_S = 0.02  # between two announcements: a host that wakes claims an address several times in a row
NO_LINK = ""
Way = tuple[Listener, str]  # an address, and what it is asked for by


class ArpMonitor:
    """The watch over the addresses of all services of this host; `cluster` gives the configuration in force, if any."""

    def __init__(self, host: Host, cluster: Callable[[], Cluster | None]) -> None:
        self.host, self.cluster = host, cluster
        self.subjects: dict[str, Subject] = {}
        self.ways: dict[str, list[Way]] = {}
        self.known: dict[str, Unanswered] = {}
        self.pauses: dict[str, float] = {}

    def unanswered(self, service: str) -> Unanswered | None:
        """Give for how long a service has been silent; None where somebody answers, or nothing can be heard."""
        return self.known.get(service)

    def run(self) -> None:
        """Watch for ever; what cannot be heard does not count as unanswered."""
        while True:
            cluster = self.cluster()
            try:
                if cluster:
                    self._watch(cluster)
            except OSError:  # an interface has gone meanwhile
                pass
            self.known = {}
            self.host.sleep(RESTART_AFTER_S)

    def _watch(self, cluster: Cluster) -> None:
        """Ask and listen while nothing changes: this configuration, and these links."""
        names = {
            address.interface for name in cluster.services_of(self.host.name) for address in cluster.services[name].addresses
        }
        links = self._links(names)
        with ExitStack() as stack:
            listeners = [stack.enter_context(listener) for listener in self._listeners(cluster, links)]
            self.subjects = self._subjects(cluster, links)
            self.ways = {name: _ways(listeners, subject) for name, subject in self.subjects.items()}
            looked = float("-inf")
            while self.cluster() is cluster:
                now = self.host.now()
                if now - looked >= LOOK_S:
                    if links != self._links(names):
                        return
                    self._look()
                    looked = now
                wake = min(looked + LOOK_S, self._ask(now))
                self._hear(cluster, listen(listeners, max(0.0, wake - now)))
                self._count(now, lambda: links == self._links(names))

    def _links(self, names: Iterable[str]) -> dict[str, str]:
        """Tell how often each link has come and gone; one without a carrier carries no question."""
        return {name: self._link(name) for name in names}

    def _link(self, name: str) -> str:
        try:
            up = self.host.read(f"/sys/class/net/{name}/carrier").strip() == "1"
            return self.host.read(f"/sys/class/net/{name}/carrier_changes") if up else NO_LINK
        except OSError:
            return NO_LINK

    def _listeners(self, cluster: Cluster, links: dict[str, str]) -> list[Listener]:
        """Open one for each interface and version of addresses."""
        places = sorted(
            (address.interface, address.address.version, str(address.address.ip))
            for name in cluster.services_of(self.host.name)
            for address in cluster.services[name].addresses
            if links[address.interface] != NO_LINK
        )
        return [
            Listener(interface, *(ip for _, _, ip in some)) for (interface, _), some in groupby(places, lambda place: place[:2])
        ]

    def _subjects(self, cluster: Cluster, links: dict[str, str]) -> dict[str, Subject]:
        """Make one of every service whose addresses can all be asked for."""
        subjects: dict[str, Subject] = {}
        for name in cluster.services_of(self.host.name):
            spec = cluster.services[name]
            if spec.addresses and all(links[address.interface] != NO_LINK for address in spec.addresses):
                ips = tuple(str(address.address.ip) for address in spec.addresses)
                subjects[name] = Subject(name, ips, every(cluster.timing, spec.hosts.index(self.host.name)))
        return subjects

    def _look(self) -> None:
        """See which services are here."""
        for subject in self.subjects.values():
            here = Store(self.host, subject.service).claimed()
            if here != subject.here:
                subject.here = here
                subject.forget()
        self._renew(self.host.now())

    def _renew(self, now: float) -> None:
        """Work out anew whom to ask often, and who is silent."""
        self.pauses = pauses(self.subjects.values(), now)
        self.known = {name: heard for name, subject in self.subjects.items() if (heard := subject.unanswered())}

    def _ask(self, now: float) -> float:
        """Ask what is due; return when there is something to do again, if nobody answers until then."""
        wake = now + LOOK_S
        for subject in self.subjects.values():
            if subject.here:
                continue
            due = subject.last + self.pauses[subject.service]
            if not subject.asked and due <= now:
                for listener, address in self.ways[subject.service]:
                    listener.ask(address)
                subject.ask(now)
            if subject.asked:
                wake = min(wake, subject.asked + (subject.every if subject.suspect(now) else SUSPECT_S))
            else:
                wake = min(wake, due)
        return wake

    def _hear(self, cluster: Cluster, heard: dict[str, str]) -> None:
        """Note who answers; where another host claims what is here, tell the neighbours whose it is."""
        now = self.host.now()
        for subject in self.subjects.values() if heard else ():
            host = next((heard[address] for address in subject.addresses if address in heard), "")
            if host and subject.here:
                self._defend(cluster, subject)
            elif host:
                known = subject.host == host and not subject.suspect(now)
                subject.answer(now, host)
                if not known:
                    self._renew(now)

    def _count(self, began: float, linked: Callable[[], bool]) -> None:
        """Count what was asked in vain; a machine that was paused, or whose link was down, has not listened meanwhile."""
        now = self.host.now()
        if now - began > LOOK_S + PAUSE_S:
            for subject in self.subjects.values():
                subject.forget()
        late = [subject for subject in self.subjects.values() if subject.late(now)]
        if late and not linked():
            raise OSError("a link has come or gone")
        for subject in late:
            subject.fail(now)
        if late or any(subject.suspect(now) for subject in self.subjects.values()):
            self._renew(now)

    def _defend(self, cluster: Cluster, subject: Subject) -> None:
        if cluster.services[subject.service].mode == "act" and not Due(self.host, cluster, subject.service).lost():
            for listener, address in self.ways[subject.service]:
                self.host.run(("nvkeep", "announce", listener.interface, address), LOOK_S)
            self.host.sleep(ANNOUNCE_GAP_S)


def _ways(listeners: Iterable[Listener], subject: Subject) -> list[Way]:
    """Give each address of a service, with the listener that can ask for it."""
    return [
        (listener, address) for listener in listeners for address in subject.addresses if address in listener.addresses.values()
    ]
