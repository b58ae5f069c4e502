"""What nvkeep converges: one file a kind, base.py is the contract. A new kind is one file and its lines in resources()."""

from dataclasses import dataclass, replace
from typing import Any

from nvkeep.host import Host
from nvkeep.model.spec import Cluster, Mount, Service
from nvkeep.reconcilers.address import AddressKind
from nvkeep.reconcilers.backends.base import Ask
from nvkeep.reconcilers.base import Kind
from nvkeep.reconcilers.mount import MountAsk, MountKind
from nvkeep.reconcilers.service import UnitKind
from nvkeep.reconcilers.volume import VolumeKind

VOLUME, MOUNT, ADDRESS, UNIT = VolumeKind(), MountKind(), AddressKind(), UnitKind()


@dataclass(frozen=True)
class Resource:
    """One thing a service needs, and the keys of what it stands on."""

    key: str
    kind: Kind[Any, Any]
    spec: Any
    needs: frozenset[str] = frozenset()


def equipped(host: Host, resource: Resource) -> Resource:
    """Let a resource see which tools the host has."""
    return replace(resource, spec=resource.kind.equip(host, resource.spec))


def resources(cluster: Cluster, service: str, host: str) -> tuple[Resource, ...]:
    """List what a service needs on this host, in an order in which each stands only on those before it.

    Volumes are taken in the order written, all or none; a mount stands on its volume and on the mounts around it; addresses on
    all mounts; units on everything, and on the units before them.
    """
    spec = cluster.services[service]
    volumes = _chain(
        [
            Resource(f"volume {one.name}", VOLUME, Ask(one, host, cluster.cluster, cluster.nvmesh, spec.hosts))
            for one in spec.volumes
        ]
    )
    mounts = _mounts(spec)
    under = frozenset(one.key for one in (*volumes, *mounts))
    addresses = [Resource(f"address {one.address.ip}", ADDRESS, one, under) for one in spec.addresses]
    below = under | {one.key for one in addresses}
    units = _chain([Resource(f"service {unit}", UNIT, unit, below) for unit in spec.units])
    return (*volumes, *mounts, *addresses, *units)


def _chain(links: list[Resource]) -> list[Resource]:
    keys = [link.key for link in links]
    return [Resource(one.key, one.kind, one.spec, one.needs | set(keys[:index])) for index, one in enumerate(links)]


def _mounts(spec: Service) -> list[Resource]:
    devices = {volume.name: volume.device for volume in spec.volumes}
    ordered = sorted(spec.mounts, key=lambda mount: mount.path.count("/"))
    return [
        Resource(
            f"mount {one.path}",
            MOUNT,
            MountAsk(one, devices[one.volume], spec.holders, spec.units, _beside(spec, one)),
            frozenset(
                {f"volume {one.volume}"} | {f"mount {other.path}" for other in ordered if one.path.startswith(f"{other.path}/")}
            ),
        )
        for one in ordered
    ]


def _beside(spec: Service, mount: Mount) -> tuple[str, ...]:
    """Name the other places where the same volume belongs."""
    return tuple(other.path for other in spec.mounts if other.volume == mount.volume and other.path != mount.path)
