"""Whether time alone, or the storage, calls for a pass, and how long until an address is announced again."""

from nvkeep.core.plan import lost
from nvkeep.model.spec import Cluster
from nvkeep.model.timers import TIE_BREAK_FIRST_S, TIE_BREAK_NEXT_S
from nvkeep.state import host as host_state
from nvkeep.state.service import Store

TICK_S = 1.0  # between two looks at what no event source reports


def pressing(store: Store, cluster: Cluster) -> bool:
    """Return whether what is on record, or the storage, calls for a pass of a service. Raises ProbeError."""
    timers, now = store.timers(), store.host.now()
    turn = TIE_BREAK_FIRST_S + TIE_BREAK_NEXT_S * cluster.services[store.service].hosts.index(store.host.name)
    if (
        timers.yield_until
        or timers.carrier_lost_since
        or 0 < timers.candidate_since <= now - turn
        or timers.io_bad_since
        or store.fencing().bars
        or 0 < timers.announce_at <= now
        or 0 < timers.cooling_until <= now < timers.cooling_until + 2 * TICK_S
    ):
        return True
    return store.claimed() and lost(store.host, cluster, store.service)


def until_announcement(store: Store) -> float:
    """Return the seconds until the addresses are announced again; without end where they are not."""
    at = store.timers().announce_at
    if not at or host_state.unwritable(store.host):  # that it was done cannot be recorded either
        return float("inf")
    return max(0.0, at - store.host.now())
