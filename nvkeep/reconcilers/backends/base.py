"""The contract of a backend: one way to hold a block device exclusively."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from hashlib import sha256
from typing import ClassVar, NamedTuple

from nvkeep.errors import StepError
from nvkeep.host import Completed, Host
from nvkeep.model.decision import Holder
from nvkeep.model.plan import Steps, Verb
from nvkeep.model.spec import Nvmesh, VolumeSpec


@dataclass(frozen=True)
class Ask:
    """A volume, who asks for it, and the hosts of its service. `tools` and `client` are filled in by the backend's equip()."""

    spec: VolumeSpec
    host: str
    cluster: str = ""
    nvmesh: Nvmesh = field(default_factory=Nvmesh)
    hosts: tuple[str, ...] = ()
    tools: str = ""
    client: str = ""


@dataclass(frozen=True)
class Volume:
    """What of a volume is on this host. `mode`: exclusive, shared, registered, preempted, detaching, or unknown."""

    device: str
    mode: str = "exclusive"
    io: bool = True
    detail: str = field(default="", compare=False)


@dataclass(frozen=True)
class Holding:
    """Who may write: the word, the host's name and the reservation's version where the storage tells them."""

    holder: Holder
    by: str = ""
    version: int | None = None


def key_of(ask: Ask, host: str) -> int:
    """Derive a host's reservation key (64 bits, never 0) from the names of cluster and host."""
    return int.from_bytes(sha256(f"{ask.cluster}/{host}".encode()).digest()[:8], "big") or 1


def owner_of(ask: Ask, key: int) -> str:
    """Name the host whose key this is; the key itself when it is none of this service's."""
    return next((host for host in ask.hosts if key_of(ask, host) == key), f"key {key:#x}")


class Tool(NamedTuple):
    """A program a backend needs: how it tells its version, and where it comes from."""

    version: tuple[str, ...]
    origin: str


class Lack(NamedTuple):
    """Why a volume is out of this host's reach, and what fixes it."""

    why: str
    fix: str


def without_device(host: Host, device: str) -> Lack | None:
    """Say so where a block device is not there."""
    here = host.device_number(device) is not None
    return None if here else Lack(f"there is no block device {device} here", "lsblk; ls -l /dev/disk/by-id")


class Unique(NamedTuple):
    """A key of a volume whose value names a thing that only one volume may use: what it is, and what to write instead."""

    key: str
    what: str
    instead: str


class Backend(ABC):
    """One way to hold a block device exclusively. Only equip, lacking, observe and holder get the host; the rest is pure."""

    Spec: ClassVar[type[VolumeSpec]]
    tools: ClassVar[tuple[Tool, ...]] = ()
    unique: ClassVar[tuple[Unique, ...]] = ()
    examples: ClassVar[dict[str, str]] = {}  # of its own keys, for messages: key -> "key: value"
    gives_up: ClassVar[str] = ""  # what this backend does not keep safe; `nvkeep check` warns of it
    betrayed: ClassVar[bool] = False  # its tools are nowhere but where it is used, so that `nvkeep setup` may propose it

    def tools_of(self, host: Host, ask: Ask) -> tuple[Tool, ...]:  # noqa: ARG002 - part of the contract
        """Name the programs this host needs for a volume."""
        return self.tools

    def equip(self, host: Host, ask: Ask) -> Ask:  # noqa: ARG002 - part of the contract
        """See which tools the host has, where that makes a difference to the commands."""
        return ask

    def lacking(self, host: Host, ask: Ask) -> Lack | None:  # noqa: ARG002 - part of the contract
        """Say why this host could not take the volume, as far as that shows without taking it; every pass of a standby asks.

        Raises ProbeError where that cannot be determined.
        """
        return None

    @abstractmethod
    def observe(self, host: Host, ask: Ask) -> Volume | None:
        """Look at what of the volume is on this host. Raises ProbeError."""

    @abstractmethod
    def holder(self, host: Host, ask: Ask) -> Holding:
        """Tell who may write. Raises ProbeError; UNTOLD where only trying tells."""

    @abstractmethod
    def acquire(self, ask: Ask) -> Steps:
        """Take the free volume, or one's own again, without preempting."""

    @abstractmethod
    def release(self, ask: Ask, have: Volume) -> Steps:
        """Give it back."""

    @abstractmethod
    def seize(self, ask: Ask, version: int | None) -> Steps:
        """Take it from the host that holds it, fencing that host's writes."""

    def isolate(self, ask: Ask, have: Volume) -> Steps:
        """Release at once; by default like release."""
        return self.release(ask, have)

    def cut(self, ask: Ask, have: Volume) -> Steps:  # noqa: ARG002 - part of the contract
        """Let I/O that would wait for ever fail, before a host that isolates itself unmounts; by default nothing waits."""
        return ()

    def confirm(self, ask: Ask, verb: Verb) -> float:  # noqa: ARG002 - part of the contract
        """Give the seconds after which a success has to be seen once more; 0 where the first look is the truth."""
        return 0.0

    def judge(self, done: Completed) -> StepError | None:  # noqa: ARG002 - part of the contract
        """Say what a failed command of this backend means; None when it is not one of this backend's."""
        return None
