"""Backend `nvme`: reservations of an NVMe namespace that all hosts see (NVMe/TCP, RDMA, FC, dual-ported).

Type 1, write exclusive: only the holder writes. Type 3 (registrants only) would let a host write that merely registered, and a
preempted host can always register again. The key of a host is derived from the names of cluster and host.
"""

from typing import Annotated, Literal

from nvkeep.errors import CommandError, Denied, StepError, Transient
from nvkeep.host import Completed, Host, first
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Lack
from nvkeep.model.frozen import Frozen, Limits
from nvkeep.model.names import HostAddress, Path, check_name, wrong
from nvkeep.model.plan import Steps, steps
from nvkeep.model.spec import VolumeSpec
from nvkeep.probes import nvme as probe
from nvkeep.probes.io import does_io
from nvkeep.probes.tool import Tool, without_device
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding, Unique, Volume

COMMAND_TIMEOUT_S = 20.0  # a namespace whose target is gone lets commands wait
WRITE_EXCLUSIVE = "--rtype=1"
CONFLICT = "reservation conflict"  # nvme-cli 1 writes RESERVATION_CONFLICT


class Connect(Frozen):
    """The NVMe/TCP target of a namespace."""

    address: HostAddress
    port: Annotated[int, Limits(ge=1, le=65535)] = 4420
    nqn: Annotated[str, Limits(pattern=r"^nqn\.[A-Za-z0-9.:_-]{1,218}$")]


class NvmeVolume(VolumeSpec):
    """A namespace, best named by /dev/disk/by-id; `connect` where nothing else connects it."""

    backend: Literal["nvme"] = "nvme"
    namespace: Path
    connect: Connect | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.namespace.startswith("/dev/"):
            raise wrong(f'"{self.namespace}" is not a device', "write it like /dev/disk/by-id/nvme-...")

    @property
    def device(self) -> str:
        """The namespace itself."""
        return self.namespace


class NvmeBackend(Backend[NvmeVolume]):
    """The reservation tells who holds, survives a crash of the holder, and the namespace refuses everyone else's writes."""

    Spec = NvmeVolume
    unique = (Unique("namespace", "namespace", "write another namespace"),)
    tools = (Tool(("nvme", "version"), "apt install nvme-cli"),)

    def lacking(self, host: Host, ask: Ask[NvmeVolume]) -> Lack | None:
        """Look for the namespace, unless it is connected only when it is taken."""
        return None if ask.spec.connect else without_device(host, ask.spec.device)

    def observe(self, host: Host, ask: Ask[NvmeVolume]) -> Volume | None:
        """Look whether this host's key holds the reservation; registered without holding it is a leftover."""
        if _unconnected(host, ask):
            return None
        seen = probe.read(host, ask.spec.device)
        mine = ask.key
        if seen.holder == mine:
            return Volume(ask.spec.device, io=does_io(host, ask.spec.device), detail=f"type {seen.kind}")
        return Volume(ask.spec.device, "registered") if mine in seen.keys else None

    def holder(self, host: Host, ask: Ask[NvmeVolume]) -> Holding:
        """Read the reservation; the version is the holder's key, so that a seize preempts it and nobody else."""
        if _unconnected(host, ask):
            return Holding(Holder.UNTOLD)
        seen = probe.read(host, ask.spec.device)
        if not seen.holder:
            return Holding(Holder.NOBODY)
        mine = seen.holder == ask.key
        return Holding(Holder.ME if mine else Holder.ANOTHER, ask.owner_of(seen.holder), seen.holder)

    def acquire(self, ask: Ask[NvmeVolume]) -> Steps:
        """Register, then take the free reservation."""
        take = ("nvme", "resv-acquire", ask.spec.device, _key(ask), WRITE_EXCLUSIVE, "--racqa=0")
        return steps(*_connect(ask), _register(ask), take, timeout=COMMAND_TIMEOUT_S)

    def seize(self, ask: Ask[NvmeVolume], version: int | None) -> Steps:
        """Register, then preempt the holder and abort what it has under way.

        Without a version nobody could read who holds, because the namespace is not connected yet: that comes first, and takes
        what is free. Where another host holds it, that is a denial, and the pass knows from then on whom to preempt.
        """
        if version is None:
            return self.acquire(ask)
        holder = f"--prkey={version:#x}"
        take = ("nvme", "resv-acquire", ask.spec.device, _key(ask), holder, WRITE_EXCLUSIVE, "--racqa=2")
        return steps(_register(ask), take, timeout=COMMAND_TIMEOUT_S)

    def release(self, ask: Ask[NvmeVolume], have: Volume) -> Steps:
        """Give the reservation back if it is held, and the registration with it."""
        give = ("nvme", "resv-release", ask.spec.device, _key(ask), WRITE_EXCLUSIVE, "--rrela=0")
        leave = ("nvme", "resv-register", ask.spec.device, _key(ask), "--rrega=1")
        return steps(*((give,) if have.mode == "exclusive" else ()), leave, timeout=COMMAND_TIMEOUT_S)

    def judge(self, spec: Ask[NvmeVolume], done: Completed) -> StepError:
        """Tell a conflict, which is a denial, from a namespace that is not there yet."""
        error = CommandError(done.argv, done.code, first(done.err, done.out))
        if CONFLICT in done.err.lower().replace("_", " "):
            return Denied(str(error))
        return Transient(str(error)) if "No such file" in done.err else super().judge(spec, done)


def _unconnected(host: Host, ask: Ask[NvmeVolume]) -> bool:
    return ask.spec.connect is not None and host.device_number(ask.spec.device) is None


def _key(ask: Ask[NvmeVolume]) -> str:
    return f"--crkey={ask.key:#x}"


def _register(ask: Ask[NvmeVolume]) -> tuple[str, ...]:
    return ("nvme", "resv-register", ask.spec.device, f"--nrkey={ask.key:#x}", "--rrega=0")


def _connect(ask: Ask[NvmeVolume]) -> list[tuple[str, ...]]:
    where = ask.spec.connect
    if where is None:
        return []
    return [("nvkeep", "nvme", "connect", ask.spec.device, str(where.address), str(where.port), where.nqn)]


BACKEND = NvmeBackend()
