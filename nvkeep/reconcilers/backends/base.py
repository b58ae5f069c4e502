"""The contract of a backend: one way to hold a block device exclusively."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from nvkeep.host import Host
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Found, Lack, Mark, looked
from nvkeep.model.frozen import frozen
from nvkeep.model.keys import key_of, owner_of
from nvkeep.model.spec import Nvmesh, VolumeSpec
from nvkeep.probes.tool import Tool
from nvkeep.reconcilers.base import Kind, Steps

V_co = TypeVar("V_co", bound=VolumeSpec, covariant=True)


@frozen
class Ask(Generic[V_co]):
    """A volume, who asks for it, and the hosts of its service. `tools` and `client` are filled in by the backend's equip()."""

    spec: V_co
    host: str
    cluster: str = ""
    nvmesh: Nvmesh = field(default_factory=Nvmesh)
    hosts: tuple[str, ...] = ()
    tools: str = ""
    client: str = ""

    @property
    def key(self) -> int:
        """Give the reservation key of this host."""
        return key_of(self.cluster, self.host)

    def owner_of(self, key: int) -> str:
        """Name the host whose reservation key this is."""
        return owner_of(self.cluster, self.hosts, key)


@frozen
class Volume:
    """What of a volume is on this host. `mode`: exclusive, shared, registered, preempted, detaching, or unknown."""

    device: str
    mode: str = "exclusive"
    io: bool = True
    detail: str = field(default="", compare=False)


@frozen
class Holding:
    """Who may write: the word, the host's name and the reservation's version where the storage tells them."""

    holder: Holder
    by: str = ""
    version: int | None = None


class Unique(NamedTuple):
    """A key of a volume whose value names a thing that only one volume may use: what it is, and what to write instead."""

    key: str
    what: str
    instead: str


class Backend(Kind[Ask[V_co], Volume]):
    """The kind `volume`, one way to hold a block device exclusively. Only what has `host` looks at it."""

    name = "volume"
    title = "VOLUME"
    turn = 3
    Spec: type[VolumeSpec]
    tools: tuple[Tool, ...] = ()
    unique: tuple[Unique, ...] = ()
    examples: Mapping[str, str] = MappingProxyType({})  # of its own keys, for messages: key -> "key: value"
    gives_up: str = ""  # what this backend does not keep safe; `nvkeep check` warns of it
    betrayed: bool = False  # its tools are nowhere but where it is used, so that `nvkeep setup` may propose it

    def tools_of(self, host: Host, ask: Ask[V_co]) -> tuple[Tool, ...]:  # noqa: ARG002 - part of the contract
        """Name the programs this host needs for a volume."""
        return self.tools

    def lacking(self, host: Host, ask: Ask[V_co]) -> Lack | None:  # noqa: ARG002 - part of the contract
        """Say why this host could not take the volume, as far as that shows without taking it; every pass of a standby asks.

        Raises ProbeError where that cannot be determined.
        """
        return None

    @abstractmethod
    def holder(self, host: Host, ask: Ask[V_co]) -> Holding:
        """Determine who may write. Raises ProbeError; UNTOLD where only trying shows it."""

    @abstractmethod
    def seize(self, spec: Ask[V_co], version: int | None) -> Steps:
        """Take it from the host that holds it, fencing that host's writes."""

    def desired(self, spec: Ask[V_co]) -> Volume:
        """Give the state asked for: held exclusively, doing I/O."""
        return Volume(spec.spec.device)

    def adjust(self, spec: Ask[V_co], have: Volume) -> Steps | None:  # noqa: ARG002 - the mode alone decides
        """Held, but not doing I/O yet: nothing to run. Held in another way: a fresh start."""
        return () if have.mode == "exclusive" else None

    def pending(self, have: Volume | None, *, leaving: bool) -> bool:
        """Being detached, or held and waiting for its first I/O."""
        if have is None:
            return False
        return have.mode == "detaching" if leaving else have.mode == "exclusive" and not have.io

    def taken(self, have: Volume | None) -> bool:
        """Preempted: the storage gave it to another host."""
        return have is not None and have.mode == "preempted"

    def ours(self, spec: Ask[V_co], have: Volume | None) -> bool:  # noqa: ARG002 - what is here tells
        """Preempted: another host has it since, from this one."""
        return self.taken(have)

    def prerequisites(self, host: Host, specs: Sequence[Ask[V_co]], *, thorough: bool) -> Iterator[Found]:
        """Look for the programs, and for every volume; `thorough`: the programs are asked for their versions."""
        yield from dict.fromkeys(look for ask in specs for look in self._programs(host, ask, thorough=thorough))
        for ask in specs:
            yield looked(f"{self.title} {ask.spec.name}", partial(self._reach, host, ask))

    def _programs(self, host: Host, ask: Ask[V_co], *, thorough: bool) -> Iterator[Found]:
        for tool in self.tools_of(host, ask):
            what, program = f"BACKEND {ask.spec.backend}", tool.version[0]
            if not tool.there(host):
                yield Found(what, Mark.NOT_OK, f"{program} is missing", tool.origin)
            elif thorough:
                yield Found(what, Mark.OK, f"{program}: {tool.printed(host)}")

    def _reach(self, host: Host, ask: Ask[V_co]) -> Lack | str:
        return self.lacking(host, ask) or "can be reached"
