"""Failback in a window: the preferred host asks for its service back, when it is ready and nothing speaks against it."""

import time
from dataclasses import dataclass

from nvkeep.admin.peers import Peers
from nvkeep.checks.consistency import disagreements, read, renew
from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.model.spec import Cluster, Window
from nvkeep.state.orders import Timestamps
from nvkeep.state.service import Store

RETRY_DELAY_S = 3600.0  # until a failback that failed is tried again
SERVED = 0
MOVE_MARGIN_S = 300.0  # a move may take beyond its steps


@dataclass
class Failback:
    """One service that may prefer this host."""

    host: Host
    cluster: Cluster
    service: str

    def __post_init__(self) -> None:
        self.spec, self.store = self.cluster.services[self.service], Store(self.host, self.service)
        self.timestamps = Timestamps(self.host, self.service)

    def due(self) -> bool:
        """Return whether it is time, and this host is preferred, ready, agrees with the others, and does not serve it."""
        policy, now = self.spec.failback, time.localtime(self.host.wall())
        if not isinstance(policy, Window) or self.spec.hosts[0] != self.host.name or self.store.claimed():
            return False
        fit = self.timestamps.rested(RETRY_DELAY_S) and self.store.flag()
        return fit and inside(policy.window, 60 * now.tm_hour + now.tm_min) and self._agreed() and self._still_agreed()

    def _still_agreed(self) -> bool:
        """Compare anew: the last time may be hours ago."""
        renew(self.host, self.cluster)
        return self._agreed()

    def _agreed(self) -> bool:
        """Return whether this host was compared in this boot with one that may serve, and differs from none."""
        known = {name for name, peer in read(self.host).items() if peer.at} & set(self.spec.hosts)
        return bool(known) and not disagreements(self.host, self.service)

    def run(self) -> str:
        """Have it moved here; say so. Raises NvkeepError when it was not."""
        self.timestamps.ask_back()
        words = ("nvkeep", "move", self.service, "--to", self.host.name, "--here", "--force")
        refusals = []
        for peer in Peers(self.host, self.cluster, self.service):
            done = peer.run(words, 4 * self.cluster.timing.step + MOVE_MARGIN_S)
            if done.code == SERVED:
                return done.out.strip()
            refusals.append(f"{peer.name}: {done.err.strip() or done.out.strip()}")
        raise NvkeepError(f"no failback: {'; '.join(refusals)}")


def inside(window: str, minute: int) -> bool:
    """Return whether a minute of the day (0 to 1439, local time) is in a window such as 22:00-02:00.

    The end of a window is not in it; the same hour twice is the whole day.
    """
    first, last = (_minute(time_of_day) for time_of_day in window.split("-"))
    if first < last:
        return first <= minute < last
    return minute >= first or minute < last


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)
