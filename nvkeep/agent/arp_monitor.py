"""A standby watches the addresses before it is master, so that a takeover after a crash need not wait for the liveness check.

It asks the neighbours for the floating addresses all the time and remembers how long nobody has answered. Where the service is
here, it listens for another host that claims an address (one that wakes from a freeze does), and tells the neighbours at once;
the host that wakes hears the same, and is silent, because the volume is not its own any more. It decides nothing.
"""

from collections.abc import Callable
from contextlib import ExitStack

from nvkeep.core.liveness import Unanswered
from nvkeep.core.plan import lost
from nvkeep.host import Host
from nvkeep.host.wire import Listener, listen
from nvkeep.model.spec import Cluster
from nvkeep.state.service import Store

SHORTEST_S, LONGEST_S = 0.02, 1.0  # between two probes
PROBES_A_WINDOW = 3.8  # after one that was answered the third ends just after the time for which it has to be silent
PAUSE_S = 0.5  # that a probe may take longer than it listens
LISTEN_S = 1.0  # between two looks at whether the service is here
RESTART_AFTER_S = 0.2  # until a watch begins again
ANNOUNCE_GAP_S = 0.02  # between two announcements: a host that wakes claims an address several times in a row


class ArpMonitor:
    """The watch over the addresses of one service; `cluster` gives the configuration in force, None when there is none."""

    def __init__(self, host: Host, service: str, cluster: Callable[[], Cluster | None]) -> None:
        self.host = host
        self.service = service
        self.cluster = cluster
        self.store = Store(host, service)
        self.unanswered: Unanswered | None = None

    def run(self) -> None:
        """Watch for ever; what cannot be heard does not count as unanswered."""
        while True:
            cluster = self.cluster()
            try:
                if cluster:
                    self._watch(cluster)
            except OSError:  # no such interface yet, or it is down
                pass
            self.unanswered = None
            self.host.sleep(RESTART_AFTER_S)

    def _watch(self, cluster: Cluster) -> None:
        """Ask or listen while nothing changes: this configuration, these links, and whether the service is here."""
        spec = cluster.services.get(self.service)
        if not spec or self.host.name not in spec.hosts:
            return
        window = cluster.timing.liveness_window(spec.hosts.index(self.host.name))
        every = min(LONGEST_S, max(SHORTEST_S, window / PROBES_A_WINDOW))
        with ExitStack() as stack:
            addresses = spec.addresses
            listeners = [stack.enter_context(Listener(address.interface, str(address.address.ip))) for address in addresses]
            links, here = self._links(listeners), self.store.claimed()
            while listeners and links == self._links(listeners) and self.cluster() is cluster and self.store.claimed() == here:
                self._defend(cluster, listeners) if here else self._ask(listeners, every)

    def _ask(self, listeners: list[Listener], every: float) -> None:
        began = self.host.now()
        for listener in listeners:
            listener.ask()
        heard, now = listen(listeners, every), self.host.now()
        if now - began > every + PAUSE_S:  # a machine that was paused has not listened meanwhile
            self.unanswered = None
        elif heard:
            self.unanswered = Unanswered(now, now, 0)
        else:
            since, _, probes = self.unanswered or Unanswered(began, began, 0)
            self.unanswered = Unanswered(since, now, probes + 1)
        self.host.sleep(max(0.0, began + every - self.host.now()))

    def _defend(self, cluster: Cluster, listeners: list[Listener]) -> None:
        if listen(listeners, LISTEN_S) and not lost(self.host, cluster, self.service):
            for listener in listeners:
                self.host.run(("nvkeep", "announce", listener.interface, str(listener.ip)), LISTEN_S)
            self.host.sleep(ANNOUNCE_GAP_S)

    def _links(self, listeners: list[Listener]) -> list[str]:
        """Tell how often each link has come and gone. Raises OSError: a link without a carrier carries no question."""
        for listener in listeners:
            if self.host.read(f"/sys/class/net/{listener.interface}/carrier").strip() != "1":
                raise OSError(f"{listener.interface} has no carrier")
        return [self.host.read(f"/sys/class/net/{listener.interface}/carrier_changes") for listener in listeners]
