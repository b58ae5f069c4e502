"""What cluster.yaml may say: the public keys, on one page; those of mounts and of `health:` have a page each beside it.

Backends of volumes bring a Spec of their own (reconcilers/backends); they meet here through the BACKENDS registry, so that
this page need not know them.
"""

import zlib
from dataclasses import field
from typing import Annotated, Literal

from nvkeep.model.frozen import Frozen, Limits, OneOf
from nvkeep.model.health import Health
from nvkeep.model.mounts import AnyMount
from nvkeep.model.names import (
    ClientName,
    ClusterName,
    FloatingAddress,
    HostAddress,
    HostName,
    InterfaceName,
    Path,
    ServiceName,
    UnitName,
    shown,
    wrong,
)

LABEL_BYTES = 15  # IFNAMSIZ - 1: the kernel's limit for an address label
IPV6 = 6
FIRST_PRIORITY, PRIORITY_STEP, PRIORITY_SPAN = 200, 10, 256  # of VRRP: the preferred host's, the distance to the next


class VolumeSpec(Frozen):
    """What every backend's volume has: a name, and the backend that holds it exclusively."""

    name: str
    backend: str

    @property
    def device(self) -> str:
        """The block device a mount of this volume uses; known before the volume is attached."""
        raise NotImplementedError


BACKENDS: dict[str, type[VolumeSpec]] = {}
DEFAULT_BACKEND = "nvmesh"


def _backend(value: object) -> str:
    return str(value.get("backend", DEFAULT_BACKEND) if isinstance(value, dict) else DEFAULT_BACKEND)


AnyVolume = Annotated[VolumeSpec, OneOf(_backend, BACKENDS)]


class Address(Frozen):
    """A floating address."""

    address: FloatingAddress
    interface: InterfaceName
    label: str | None = None

    def __post_init__(self) -> None:
        label = self.label
        if label is None:
            return
        prefix, name = f"{self.interface}:", label.removeprefix(f"{self.interface}:")
        if self.address.version == IPV6:
            raise wrong(f"label {shown(label)} on an IPv6 address, which has none", "leave label out")
        if not label.startswith(prefix):
            raise wrong(f"label {shown(label)} does not start with its interface", f'write "{prefix}NAME"')
        if not (name.isascii() and name.isalnum()):
            raise wrong(f"label {shown(label)} has more than letters and digits after {prefix}", f'write "{prefix}NAME"')
        if len(label) > LABEL_BYTES:
            raise wrong(f"label {shown(label)} is longer than {LABEL_BYTES} bytes", "shorten it, or leave label out")


class Window(Frozen):
    """The hours in which a service may move back by itself."""

    window: Annotated[str, Limits(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


def _failback(value: object) -> str:
    return "window" if isinstance(value, dict) else "manual"


Manual = Literal["manual"]
Failback = Annotated[Manual | Window, OneOf(_failback, {"manual": Manual, "window": Window})]


def _ping(value: object) -> str:
    return "none" if isinstance(value, str) else "hosts"


Policy = Literal["none", "unit", "all"]  # who may be ended when a file system is busy

Many = Limits(strict=False)
Some = Limits(strict=False, min_length=1)
Nobody = Literal["none"]
PingHosts = Annotated[tuple[HostAddress, ...], Some]
Ping = Annotated[Nobody | PingHosts, OneOf(_ping, {"none": Nobody, "hosts": PingHosts})]


class Service(Frozen):
    """A protected service: what must be together on one host."""

    hosts: Annotated[tuple[str, ...], Limits(strict=False, min_length=2)]
    volumes: Annotated[tuple[AnyVolume, ...], Some]
    mounts: Annotated[tuple[AnyMount, ...], Many] = ()
    addresses: Annotated[tuple[Address, ...], Many] = ()
    units: Annotated[tuple[UnitName, ...], Many] = ()
    agree: Annotated[tuple[Path, ...], Many] = ()
    holders: Policy = "unit"
    health: Health | None = None
    failback: Failback = "manual"
    ping: Ping | None = None
    router_id: Annotated[int, Limits(ge=1, le=255)] | None = None
    mode: Literal["act", "observe"] = "act"
    rto: Annotated[float, Limits(ge=0.1, le=86400)] | None = None


class Heartbeat(Frozen):
    """One host's end of one heartbeat network."""

    interface: InterfaceName
    address: HostAddress


class Member(Frozen):
    """A host of the cluster; the n-th heartbeats of all hosts are one network."""

    heartbeats: Annotated[tuple[Heartbeat, ...], Some]


class Timing(Frozen):
    """All in seconds. `advert` as VRRPv3 allows it; `step` is how long one resource may take before a pass gives up."""

    advert: Annotated[float, Limits(ge=0.01, le=40.95)] = 0.1
    reconcile: Annotated[float, Limits(ge=1, le=3600)] = 10.0
    step: Annotated[float, Limits(ge=1, le=3600)] = 60.0
    cooldown: Annotated[float, Limits(ge=1, le=86400)] = 60.0

    @property
    def master_down(self) -> float:
        """How long a backup hears nothing before it is master: 3 adverts + at most one of skew."""
        return 4 * self.advert

    def liveness_window(self, position: int) -> float:
        """How long a service must be silent for the host at a place of its list: as long as keepalived waits for an advert.

        3 adverts + the skew of that host (RFC 5798, 6.1).
        """
        return (3 + (PRIORITY_SPAN - priority(position)) / PRIORITY_SPAN) * self.advert


class Nvmesh(Frozen):
    """Where this cluster's NVMesh shows its state, and under which names its management server knows the hosts."""

    proc: Annotated[str, Limits(pattern=r"^/[A-Za-z0-9_./-]+$")] = "/proc/nvmeibc"
    clients: dict[HostName, ClientName] = field(default_factory=dict)


class Notify(Frozen):
    """Who is told of a change: a command, which gets the event, the service and a file with its status; times in seconds.

    `after`: for which a host must not have been able to take over before that is news.
    """

    command: Annotated[tuple[str, ...], Some]
    after: Annotated[float, Limits(ge=1, le=86400)] = 300.0
    timeout: Annotated[float, Limits(ge=1, le=300)] = 30.0


class Cluster(Frozen):
    """The whole desired state, the same on every host."""

    cluster: ClusterName
    hosts: Annotated[dict[HostName, Member], Limits(min_length=2)]
    timing: Timing = Timing()
    nvmesh: Nvmesh = Nvmesh()
    notify: Notify | None = None
    report: Path | None = None
    services: Annotated[dict[ServiceName, Service], Limits(min_length=1)]

    def router_id(self, service: str) -> int:
        """Give the virtual router id of a service: as written, else derived from its name (1 to 255, stable)."""
        return self.services[service].router_id or derived_router_id(self.cluster, service)

    def services_of(self, host: str) -> tuple[str, ...]:
        """Name the services that this host may run."""
        return tuple(name for name, service in self.services.items() if host in service.hosts)

    def asks_back(self, host: str) -> bool:
        """Return whether a host prefers a service that it has moved home in a window."""
        return any(isinstance(service.failback, Window) and service.hosts[0] == host for service in self.services.values())


def priority(position: int) -> int:
    """Give the priority of the host at a place of a service's list."""
    return FIRST_PRIORITY - PRIORITY_STEP * position


def derived_router_id(cluster: str, service: str) -> int:
    """Derive a virtual router id (1 to 255) that stays the same when other services come and go."""
    return zlib.crc32(f"{cluster}/{service}".encode()) % 255 + 1
