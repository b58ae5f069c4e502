"""Failback in a window: the preferred host asks for its service back, when it is ready and nothing speaks against it."""

import time
from dataclasses import dataclass

from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.model.spec import Cluster, Window
from nvkeep.model.window import inside
from nvkeep.orders import others
from nvkeep.stamps import Stamps
from nvkeep.state import Store

AGAIN = 3600.0  # seconds until a failback that failed is tried again
SERVED = 0
LIMIT = 300.0  # seconds a move may take beyond its steps


@dataclass
class Failback:
    """One service that may prefer this host."""

    host: Host
    cluster: Cluster
    service: str

    def __post_init__(self) -> None:
        self.spec, self.store = self.cluster.services[self.service], Store(self.host, self.service)
        self.stamps = Stamps(self.host, self.service)

    def due(self) -> bool:
        """Tell whether it is time, this host is the preferred one, ready, and does not serve it already."""
        policy, now = self.spec.failback, time.localtime(self.host.wall())
        if not isinstance(policy, Window) or self.spec.hosts[0] != self.host.name or self.store.claimed():
            return False
        rested = self.host.now() - self.stamps.asked_back() >= AGAIN
        return inside(policy.window, 60 * now.tm_hour + now.tm_min) and rested and self.store.flag()

    def run(self) -> str:
        """Have it moved here; say so. Raises NvkeepError when it was not."""
        self.stamps.ask_back()
        words = ("nvkeep", "move", self.service, "--to", self.host.name, "--here")
        told = []
        for peer in others(self.host, self.cluster, self.service):
            done = peer.run(words, 4 * self.cluster.timing.step + LIMIT)
            if done.code == SERVED:
                return done.out.strip()
            told.append(f"{peer.name}: {done.err.strip() or done.out.strip()}")
        raise NvkeepError(f"no failback: {'; '.join(told)}")
