"""One service on one host: what cluster.yaml asks for, and where its records are. Every part of a pass is given this."""

from nvkeep.host import Host
from nvkeep.keepalived import instances
from nvkeep.model.fencing import Fencing, listen
from nvkeep.model.health import vouches
from nvkeep.model.role import Role, Roles
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers import equipped, resources, volumes
from nvkeep.state import host as host_state
from nvkeep.state.orders import Overrides, Timestamps
from nvkeep.state.service import Store


class Scope:
    """What a pass works on; never changes. A `blind` one is of a host that is not looked at."""

    def __init__(self, host: Host, cluster: Cluster, service: str, *, blind: bool = False) -> None:
        self.host, self.cluster, self.service, self.blind = host, cluster, service, blind
        self.spec, self.timing = cluster.services[service], cluster.timing
        self.vouched = vouches(self.spec.health)
        self.store, self.timestamps, self.overrides = Store(host, service), Timestamps(host, service), Overrides(host)
        needed = resources(cluster, service, host.name)
        self.resources = needed if blind else tuple(equipped(host, resource) for resource in needed)
        self.volumes = tuple(volumes(self.resources))
        self.volume_keys = frozenset(volume.key for volume in self.volumes)

    def cooling(self) -> str:
        """Say what failed here so lately that this host does not try again yet."""
        timers = self.store.timers()
        return timers.cooling_why if self.host.now() < timers.cooling_until else ""

    def adverts(self, roles: Roles) -> int:
        """Return how many adverts keepalived has received for this service."""
        return roles.adverts(instances(self.cluster, self.service, self.host.name))

    def save_roles(self, roles: Roles) -> None:
        """Record what keepalived answered."""
        host_state.save_roles(self.host, roles)

    def fencing(self, role: Role) -> Fencing:
        """Advance the fencing record by what is heard now."""
        return listen(self.store.fencing(), role, self.host.now(), self.timing.master_down)
