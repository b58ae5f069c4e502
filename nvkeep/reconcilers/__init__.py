"""What nvkeep converges: one file a kind, base.py is the contract. A new kind is one file and its lines in resources()."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from nvkeep.host import Host
from nvkeep.model.frozen import frozen
from nvkeep.model.mounts import Bind, Mount, Placed
from nvkeep.model.plan import Ref, State, Unknown
from nvkeep.model.spec import Cluster, Service
from nvkeep.reconcilers.address import AddressKind
from nvkeep.reconcilers.backends import backend_of
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding
from nvkeep.reconcilers.base import Kind
from nvkeep.reconcilers.mount import MountAsk, MountKind
from nvkeep.reconcilers.service import UnitKind

MOUNT, ADDRESS, UNIT = MountKind(), AddressKind(), UnitKind()
Spec = TypeVar("Spec")


@frozen
class Resource:
    """One thing a service needs, and the keys of what it stands on."""

    key: Ref
    kind: Kind[Any, Any]
    spec: Any
    needs: frozenset[Ref] = frozenset()

    def ours(self, have: State) -> bool:
        """Return whether what is here shows that this host has served; what is unknown does not."""
        return not isinstance(have, Unknown) and self.kind.ours(self.spec, have)

    def broken(self, have: State) -> str:
        """Say why it needs a fresh start although what is asked has not changed; empty when it does not, or is unknown."""
        return "" if isinstance(have, Unknown) else self.kind.broken(self.spec, have)


@frozen
class VolumeResource(Resource):
    """A volume; its kind is a backend."""

    kind: Backend[Any]

    def holder(self, host: Host) -> Holding:
        """Determine who may write. Raises ProbeError."""
        return self.kind.holder(host, self.spec)


def volumes(needed: Iterable[Resource]) -> list[VolumeResource]:
    """Pick the volumes."""
    return [resource for resource in needed if isinstance(resource, VolumeResource)]


def specs(kind: Kind[Spec, Any], needed: Iterable[Resource]) -> list[Spec]:
    """Give what is asked of the resources of one kind."""
    return [resource.spec for resource in needed if resource.kind is kind]


def equipped(host: Host, resource: Resource) -> Resource:
    """Let a resource see which tools the host has."""
    return replace(resource, spec=resource.kind.equip(host, resource.spec))


def resources(cluster: Cluster, service: str, host: str) -> tuple[Resource, ...]:
    """List what a service needs on this host, in an order in which each stands only on those before it.

    Volumes are taken in the order written, all or none; a mount stands on its volume and on the mounts around it; addresses on
    all mounts; units on everything, and on the units before them.
    """
    spec = cluster.services[service]
    asks = [Ask(volume, host, cluster.cluster, cluster.nvmesh, spec.hosts) for volume in spec.volumes]
    held = _chain([VolumeResource(_volume(ask.spec.name), backend_of(ask.spec), ask) for ask in asks])
    mounts = _mounts(spec)
    under = frozenset(resource.key for resource in (*held, *mounts))
    addresses = [Resource(Ref.of(ADDRESS.name, str(address.address.ip)), ADDRESS, address, under) for address in spec.addresses]
    below = under | {address.key for address in addresses}
    units = _chain([Resource(Ref.of(UNIT.name, unit), UNIT, unit, below) for unit in spec.units])
    return (*held, *mounts, *addresses, *units)


def _chain(links: list[Resource]) -> list[Resource]:
    keys = [link.key for link in links]
    return [replace(link, needs=link.needs | set(keys[:index])) for index, link in enumerate(links)]


def _mounts(spec: Service) -> list[Resource]:
    devices = {volume.name: volume.device for volume in spec.volumes}
    in_turn = sorted(spec.mounts, key=lambda mount: (isinstance(mount, Bind), mount.path.count("/")))  # the outermost first
    return [
        Resource(
            Ref.of(MOUNT.name, mount.path),
            MOUNT,
            MountAsk(mount, devices[mount.volume], spec.holders, spec.units, _beside(spec, mount), _outer(spec, mount)),
            frozenset({_volume(mount.volume), *_around(spec, mount)}),
        )
        for mount in in_turn
    ]


def _volume(name: str) -> Ref:
    return Ref.of(Backend.name, name)


def _around(spec: Service, mount: Placed) -> list[Ref]:
    """Name the mounts that it lies in, and of a bind mount the one that it shows a directory of."""
    bound = {_outer(spec, mount)} if isinstance(mount, Bind) else set()
    outer = [other.path for other in spec.mounts if other.path in bound or mount.path.startswith(f"{other.path}/")]
    return [Ref.of(MOUNT.name, path) for path in outer]


def _outer(spec: Service, mount: Placed) -> str:
    """Give where the volume is mounted as a whole that a bind mount shows a directory of; empty for other mounts."""
    whole = (other.path for other in spec.mounts if other.volume == mount.volume and isinstance(other, Mount))
    return next(whole, "") if isinstance(mount, Bind) else ""


def _beside(spec: Service, mount: Placed) -> tuple[str, ...]:
    """Name the other places where the same volume belongs."""
    return tuple(other.path for other in spec.mounts if other.volume == mount.volume and other.path != mount.path)
