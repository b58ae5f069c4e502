"""A standby keeps watch before it is master, so that a takeover after a crash does not have to wait for the guard's silence.

It asks the neighbours for the floating addresses all the time and remembers how long nobody has answered. Where the service is
here, it listens for another host that claims an address (one that wakes from a freeze does), and tells the neighbours at once;
the host that wakes hears the same, and is silent, because the volume is not its own any more. It decides nothing.
"""

from collections.abc import Callable
from contextlib import ExitStack

from nvkeep.core.liveness import Silence
from nvkeep.core.plan import lost
from nvkeep.host import Host
from nvkeep.host.wire import Ear, listen
from nvkeep.model.spec import Cluster
from nvkeep.state.service import Store

SHORTEST, LONGEST = 0.05, 1.0  # seconds between two probes; else half an advert
REST = 1.0  # seconds between two looks at whether the service is here
PAUSE = 0.2  # seconds until a watch begins anew
AGAIN = 0.1  # seconds between two tellings: a host that wakes claims an address more than once before it lets go of it


class Watch:
    """The watch over the addresses of one service; `cluster` gives the configuration in force, None when there is none."""

    def __init__(self, host: Host, service: str, cluster: Callable[[], Cluster | None]) -> None:
        self.host = host
        self.service = service
        self.cluster = cluster
        self.store = Store(host, service)
        self.silence: Silence | None = None

    def run(self) -> None:
        """Watch for ever; what cannot be heard is not silence."""
        while True:
            cluster = self.cluster()
            try:
                if cluster:
                    self._watch(cluster)
            except OSError:  # no such interface yet, or it is down
                pass
            self.silence = None
            self.host.sleep(PAUSE)

    def _watch(self, cluster: Cluster) -> None:
        """Ask or listen while nothing changes: this configuration, these links, and whether the service is here."""
        spec = cluster.services.get(self.service)
        every = min(LONGEST, max(SHORTEST, cluster.timing.advert / 2))
        with ExitStack() as stack:
            ears = [stack.enter_context(Ear(one.interface, str(one.address.ip))) for one in spec.addresses] if spec else []
            links, here = self._links(ears), self.store.claimed()
            while ears and links == self._links(ears) and self.cluster() is cluster and self.store.claimed() == here:
                self._defend(cluster, ears) if here else self._ask(ears, every)

    def _ask(self, ears: list[Ear], every: float) -> None:
        began = self.host.now()
        for ear in ears:
            ear.ask()
        if listen(ears, every):
            self.silence = None
            self.host.sleep(max(0.0, began + every - self.host.now()))
        else:
            since, _, probes = self.silence or Silence(began, began, 0)
            self.silence = Silence(since, self.host.now(), probes + 1)

    def _defend(self, cluster: Cluster, ears: list[Ear]) -> None:
        if listen(ears, REST) and not lost(self.host, cluster, self.service):
            for ear in ears:
                self.host.run(("nvkeep", "announce", ear.interface, str(ear.ip)), REST)
            self.host.sleep(AGAIN)

    def _links(self, ears: list[Ear]) -> list[str]:
        """Tell how often each link has come and gone. Raises OSError: a link without a carrier carries no question."""
        for ear in ears:
            if self.host.read(f"/sys/class/net/{ear.interface}/carrier").strip() != "1":
                raise OSError(f"{ear.interface} has no carrier")
        return [self.host.read(f"/sys/class/net/{ear.interface}/carrier_changes") for ear in ears]
