"""Whether time alone, or the storage, calls for a pass, and how long until an address is announced again."""

from nvkeep.core.plan import observe
from nvkeep.host import Host
from nvkeep.model.plan import Unknown
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.model.timers import TieBreak, tie_break
from nvkeep.reconcilers import resources, volumes
from nvkeep.state import host as host_state
from nvkeep.state.service import Store

TICK_S = 1.0  # between two looks at what no event source reports


class Due:
    """What is looked at of one service every second, under one configuration."""

    def __init__(self, host: Host, cluster: Cluster, service: str) -> None:
        self.host, self.cluster, self.store = host, cluster, Store(host, service)
        self.position = cluster.services[service].hosts.index(host.name)
        self.volumes = volumes(resources(cluster, service, host.name))

    def pressing(self) -> bool:
        """Return whether what is on record, or the storage, calls for a pass that asks everybody anew. Raises ProbeError."""
        timers, now = self.store.timers(), self.host.now()
        if (
            timers.yield_until
            or timers.carrier_lost_since
            or self._steps_back(timers.candidate_since, now)
            or timers.io_bad_since
            or self.store.fencing().bars
            or 0 < timers.cooling_until <= now < timers.cooling_until + 2 * TICK_S
        ):
            return True
        return self.store.claimed() and self.lost()

    def lost(self) -> bool:
        """Return whether a volume of the service is seen not to be this host's; what is unknown is not lost."""
        states = [(observe(self.host, volume), volume.kind.desired(volume.spec)) for volume in self.volumes]
        return any(seen != wanted and not isinstance(seen, Unknown) for seen, wanted in states)

    def _steps_back(self, since: float, now: float) -> bool:
        """Return whether it is the turn of an idle candidate to lower its flag for a moment, or that moment is over."""
        return since > 0 and tie_break(since, Role.CANDIDATE, now, self.position, idle=True) != TieBreak(since, now=False)

    def over(self, passed: float) -> bool:
        """Return whether a pass is due although nothing has happened; `passed`: the end of the last one, seconds since boot."""
        now = self.host.now()
        return now - passed >= self.cluster.timing.reconcile or 0 < self.store.timers().announce_at <= now


def until_announcement(store: Store) -> float:
    """Return the seconds until the addresses are announced again; without end where they are not."""
    at = store.timers().announce_at
    if not at or host_state.unwritable(store.host):  # that it was done cannot be recorded either
        return float("inf")
    return max(0.0, at - store.host.now())
