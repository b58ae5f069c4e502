"""What cluster.yaml may say: the public keys, on one page.

Backends of volumes bring a Spec of their own (reconcilers/backends); they meet here through the BACKENDS registry, so that
this page need not know them.
"""

import zlib
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, GetCoreSchemaHandler, Tag, field_validator, model_validator
from pydantic_core import CoreSchema

from nvkeep.model.names import (
    Argument,
    ClientName,
    ClusterName,
    FloatingAddress,
    FsType,
    HostAddress,
    HostName,
    Inside,
    InterfaceName,
    MountOption,
    MountPoint,
    Path,
    ServiceName,
    UnitName,
    shown,
    wrong,
)
from nvkeep.model.options import OF_ONE_MOUNT, cancelled

LABEL_BYTES = 15  # IFNAMSIZ - 1: the kernel's limit for an address label
IPV6 = 6


class Frozen(BaseModel):
    """Base of everything read from YAML: immutable, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)


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


# Tags start with TAG, so that a place in an error (pydantic puts tags into it) can be distinguished from a place in the file.
TAG = "~"


def _backend(value: object) -> str:
    name = value.get("backend", DEFAULT_BACKEND) if isinstance(value, dict) else getattr(value, "backend", DEFAULT_BACKEND)
    return f"{TAG}{name}"


class _AnyBackend:
    """The union of all registered backends, built when the first file is read."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        tagged: Any = None
        for name, spec in sorted(BACKENDS.items()):
            volume = Annotated[spec, Tag(f"{TAG}{name}")]  # type: ignore[valid-type]  # the registry is filled at run time
            tagged = volume if tagged is None else tagged | volume
        return handler.generate_schema(Annotated[tagged, Discriminator(_backend)])


AnyVolume = Annotated[VolumeSpec, _AnyBackend]


class Placed(Frozen):
    """What is mounted somewhere, and how."""

    volume: str
    path: MountPoint
    options: tuple[MountOption, ...] = Field(default=(), strict=False)

    @field_validator("options")
    @classmethod
    def _each_counts(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for _, option, counts in cancelled(options):
            raise wrong(f"{option} and {counts} cancel each other, and mount(8) takes the last", f"leave out {option}")
        return options


class Mount(Placed):
    """A file system of a volume, and where it belongs."""

    fstype: FsType


class Bind(Placed):
    """A directory of a volume that is mounted, and where it belongs as well: NFS state, for one."""

    directory: Inside = Field(alias="from")

    @field_validator("options")
    @classmethod
    def _of_one_mount(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if option not in OF_ONE_MOUNT:
                raise wrong(f"{shown(option)} belongs to the file system", "write it where its volume is mounted")
        return options

    @property
    def fstype(self) -> str:
        """None: mount(8) does not look for one."""
        return "none"


def _mount(value: object) -> str:
    bind = "from" in value if isinstance(value, dict) else isinstance(value, Bind)
    return "~from" if bind else "~fstype"


AnyMount = Annotated[Annotated[Mount, Tag("~fstype")] | Annotated[Bind, Tag("~from")], Discriminator(_mount)]


class Address(Frozen):
    """A floating address."""

    address: FloatingAddress
    interface: InterfaceName
    label: str | None = None

    @model_validator(mode="after")
    def _label_fits(self) -> Self:
        label = self.label
        if label is None:
            return self
        prefix, name = f"{self.interface}:", label.removeprefix(f"{self.interface}:")
        if self.address.version == IPV6:
            raise wrong(f"label {shown(label)} on an IPv6 address, which has none", "leave label out")
        if not label.startswith(prefix):
            raise wrong(f"label {shown(label)} does not start with its interface", f'write "{prefix}NAME"')
        if not (name.isascii() and name.isalnum()):
            raise wrong(f"label {shown(label)} has more than letters and digits after {prefix}", f'write "{prefix}NAME"')
        if len(label) > LABEL_BYTES:
            raise wrong(f"label {shown(label)} is longer than {LABEL_BYTES} bytes", "shorten it, or leave label out")
        return self


Port = Annotated[int, Field(ge=1, le=65535)]


class TcpHealth(Frozen):
    """Healthy while a TCP connection to the floating address is accepted; with `expect`, while the service says that first."""

    tcp: Port
    expect: str | None = Field(default=None, min_length=1, max_length=200)


class PostgresqlHealth(Frozen):
    """Healthy while PostgreSQL answers."""

    postgresql: Port


class MysqlHealth(Frozen):
    """Healthy while MySQL or MariaDB greets."""

    mysql: Port


class NfsHealth(Frozen):
    """Healthy while an NFS server answers the NULL call."""

    nfs: Port


class HttpHealth(Frozen):
    """Healthy while a web server answers with anything but 5xx."""

    http: Port
    path: str = Field(default="/", pattern=r"^/[!-~]{0,500}$")


class CommandHealth(Frozen):
    """Healthy while the command ends with 0; it should touch the volume."""

    command: tuple[Argument, ...] = Field(min_length=1, strict=False)


class Window(Frozen):
    """The hours in which a service may move back by itself."""

    window: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")


HEALTHS = {
    "command": CommandHealth, "postgresql": PostgresqlHealth, "mysql": MysqlHealth, "nfs": NfsHealth, "http": HttpHealth,
    "tcp": TcpHealth,
}  # fmt: skip


def _health(value: object) -> str:
    words = (word for word, spec in HEALTHS.items() if (word in value if isinstance(value, dict) else isinstance(value, spec)))
    return f"{TAG}{next(words, 'tcp')}"


Health = Annotated[
    Annotated[CommandHealth, Tag("~command")]
    | Annotated[PostgresqlHealth, Tag("~postgresql")]
    | Annotated[MysqlHealth, Tag("~mysql")]
    | Annotated[NfsHealth, Tag("~nfs")]
    | Annotated[HttpHealth, Tag("~http")]
    | Annotated[TcpHealth, Tag("~tcp")],
    Discriminator(_health),
]


def port_of(health: Health) -> int:
    """Give the port that is asked; 0 where a command is run."""
    return next((int(getattr(health, word)) for word in HEALTHS if word != "command" and hasattr(health, word)), 0)


def _failback(value: object) -> str:
    return "~window" if isinstance(value, dict | Window) else "~manual"


Failback = Annotated[Annotated[Literal["manual"], Tag("~manual")] | Annotated[Window, Tag("~window")],
                     Discriminator(_failback)]  # fmt: skip


def _ping(value: object) -> str:
    return "~none" if isinstance(value, str) else "~hosts"


Policy = Literal["none", "unit", "all"]  # who may be ended when a file system is busy


PingHosts = Annotated[tuple[HostAddress, ...], Field(min_length=1, strict=False)]
Ping = Annotated[Annotated[Literal["none"], Tag("~none")] | Annotated[PingHosts, Tag("~hosts")], Discriminator(_ping)]


class Service(Frozen):
    """A protected service: what must be together on one host."""

    hosts: tuple[str, ...] = Field(min_length=2, strict=False)
    volumes: tuple[AnyVolume, ...] = Field(min_length=1, strict=False)
    mounts: tuple[AnyMount, ...] = Field(default=(), strict=False)
    addresses: tuple[Address, ...] = Field(default=(), strict=False)
    units: tuple[UnitName, ...] = Field(default=(), strict=False)
    agree: tuple[Path, ...] = Field(default=(), strict=False)
    holders: Policy = "unit"
    health: Health | None = None
    failback: Failback = "manual"
    ping: Ping | None = None
    router_id: int | None = Field(default=None, ge=1, le=255)


class Heartbeat(Frozen):
    """One host's end of one heartbeat network."""

    interface: InterfaceName
    address: HostAddress


class Member(Frozen):
    """A host of the cluster; the n-th heartbeats of all hosts are one network."""

    heartbeats: tuple[Heartbeat, ...] = Field(min_length=1, strict=False)


class Timing(Frozen):
    """All in seconds. `advert` as VRRPv3 allows it; `step` is how long one resource may take before a pass gives up."""

    advert: float = Field(default=0.2, ge=0.01, le=40.95)
    reconcile: float = Field(default=10.0, ge=1, le=3600)
    step: float = Field(default=60.0, ge=1, le=3600)
    cooldown: float = Field(default=60.0, ge=1, le=86400)

    @property
    def master_down(self) -> float:
        """How long a backup hears nothing before it is master: 3 adverts + at most one of skew."""
        return 4 * self.advert

    @property
    def liveness_window(self) -> float:
        """How long a service must be silent: 3 adverts + the skew of any of eight hosts."""
        return 3.5 * self.advert


class Nvmesh(Frozen):
    """Where this cluster's NVMesh shows its state, and under which names its management server knows the hosts."""

    proc: str = Field(default="/proc/nvmeibc", pattern=r"^/[A-Za-z0-9_./-]+$")
    clients: dict[HostName, ClientName] = Field(default_factory=dict)


class Cluster(Frozen):
    """The whole desired state, the same on every host."""

    cluster: ClusterName
    hosts: dict[HostName, Member] = Field(min_length=2)
    timing: Timing = Timing()
    nvmesh: Nvmesh = Nvmesh()
    services: dict[ServiceName, Service] = Field(min_length=1)

    def router_id(self, service: str) -> int:
        """Give the virtual router id of a service: as written, else derived from its name (1 to 255, stable)."""
        return self.services[service].router_id or derived_router_id(self.cluster, service)

    def services_of(self, host: str) -> tuple[str, ...]:
        """Name the services that this host may run."""
        return tuple(name for name, service in self.services.items() if host in service.hosts)

    def asks_back(self, host: str) -> bool:
        """Return whether a host prefers a service that it has moved home in a window."""
        return any(isinstance(service.failback, Window) and service.hosts[0] == host for service in self.services.values())


def derived_router_id(cluster: str, service: str) -> int:
    """Derive a virtual router id (1 to 255) that stays the same when other services come and go."""
    return zlib.crc32(f"{cluster}/{service}".encode()) % 255 + 1
