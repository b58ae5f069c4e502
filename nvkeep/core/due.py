"""Whether time alone, or the storage, calls for a pass, and how long until an address is announced again."""

from nvkeep.core.plan import lost
from nvkeep.model.role import Role
from nvkeep.model.spec import Cluster
from nvkeep.model.timers import TieBreak, tie_break
from nvkeep.state import host as host_state
from nvkeep.state.service import Store

TICK_S = 1.0  # between two looks at what no event source reports


def pressing(store: Store, cluster: Cluster) -> bool:
    """Return whether what is on record, or the storage, calls for a pass of a service. Raises ProbeError."""
    timers, now = store.timers(), store.host.now()
    position = cluster.services[store.service].hosts.index(store.host.name)
    if (
        timers.yield_until
        or timers.carrier_lost_since
        or _steps_back(timers.candidate_since, now, position)
        or timers.io_bad_since
        or store.fencing().bars
        or 0 < timers.announce_at <= now
        or 0 < timers.cooling_until <= now < timers.cooling_until + 2 * TICK_S
    ):
        return True
    return store.claimed() and lost(store.host, cluster, store.service)


def _steps_back(since: float, now: float, position: int) -> bool:
    """Return whether it is the turn of an idle candidate to lower its flag for a moment, or that moment is over."""
    return since > 0 and tie_break(since, Role.CANDIDATE, now, position, idle=True) != TieBreak(since, now=False)


def until_announcement(store: Store) -> float:
    """Return the seconds until the addresses are announced again; without end where they are not."""
    at = store.timers().announce_at
    if not at or host_state.unwritable(store.host):  # that it was done cannot be recorded either
        return float("inf")
    return max(0.0, at - store.host.now())
