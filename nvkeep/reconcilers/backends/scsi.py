"""Backend `scsi`: persistent reservations of a SCSI disk that all hosts see (SAN, iSCSI), also through several paths.

Type 1, write exclusive: only the holder writes. With several paths each path is a registrant of its own, and the type has to
be 5 (registrants only): there only the discipline helps that a host registers when it takes the disk and unregisters when it
gives it back. A seize removes the old holder's registrations. A host's key is derived from the names of cluster and host.
"""

from typing import Literal

from nvkeep.errors import CommandError, Denied, StepError, Transient
from nvkeep.host import Completed, Host, last
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Lack
from nvkeep.model.names import Path, check_name, wrong
from nvkeep.model.plan import Steps, steps
from nvkeep.model.spec import VolumeSpec
from nvkeep.probes import scsi as probe
from nvkeep.probes.io import does_io
from nvkeep.probes.tool import Tool, without_device
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding, Unique, Volume

COMMAND_TIMEOUT_S = 20.0
TYPES = {False: "--prout-type=1", True: "--prout-type=5"}  # by whether there are several paths
CONFLICT = 24  # SG_LIB_CAT_RES_CONFLICT of sg3-utils
ONE_PATH, MANY_PATHS = "sg_persist", "mpathpersist"


class ScsiVolume(VolumeSpec):
    """A disk, best named by /dev/disk/by-id; with `multipath`, the device of the multipath map."""

    backend: Literal["scsi"] = "scsi"
    disk: Path
    multipath: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.disk.startswith("/dev/"):
            raise wrong(f'"{self.disk}" is not a device', "write it like /dev/disk/by-id/scsi-...")

    @property
    def device(self) -> str:
        """The disk itself."""
        return self.disk


class ScsiBackend(Backend[ScsiVolume]):
    """The reservation tells who holds, survives a crash of the holder, and the disk refuses the writes of everyone else."""

    Spec = ScsiVolume
    unique = (Unique("disk", "disk", "write another disk"),)
    tools = (Tool((ONE_PATH, "--version"), "apt install sg3-utils"),)

    def tools_of(self, host: Host, ask: Ask[ScsiVolume]) -> tuple[Tool, ...]:  # noqa: ARG002 - the specification tells
        """Ask for mpathpersist where the disk has several paths."""
        many = Tool((MANY_PATHS, "--help"), "apt install multipath-tools")
        return (many,) if ask.spec.multipath else self.tools

    def lacking(self, host: Host, ask: Ask[ScsiVolume]) -> Lack | None:
        """Look for the disk."""
        return without_device(host, ask.spec.device)

    def observe(self, host: Host, ask: Ask[ScsiVolume]) -> Volume | None:
        """Look whether this host's key holds the reservation; registered without holding it is a leftover."""
        seen = probe.read(host, _program(ask), ask.spec.device)
        mine = ask.key
        if seen.holder == mine:
            return Volume(ask.spec.device, io=does_io(host, ask.spec.device))
        return Volume(ask.spec.device, "registered") if mine in seen.keys else None

    def holder(self, host: Host, ask: Ask[ScsiVolume]) -> Holding:
        """Read the reservation; the version is the holder's key, so that a seize preempts it and nobody else."""
        holder = probe.read(host, _program(ask), ask.spec.device).holder
        if not holder:
            return Holding(Holder.NOBODY)
        mine = holder == ask.key
        return Holding(Holder.ME if mine else Holder.ANOTHER, ask.owner_of(holder), holder)

    def acquire(self, ask: Ask[ScsiVolume]) -> Steps:
        """Register, then take the free reservation."""
        return steps(_register(ask), _out(ask, "--reserve", _mine(ask), _type(ask)), timeout=COMMAND_TIMEOUT_S)

    def seize(self, ask: Ask[ScsiVolume], version: int | None) -> Steps:
        """Register, then preempt the holder, abort what it has under way, and remove its registrations."""
        take = _out(ask, "--preempt-abort", _mine(ask), f"--param-sark={version or 0:#x}", _type(ask))
        return steps(_register(ask), take, timeout=COMMAND_TIMEOUT_S)

    def release(self, ask: Ask[ScsiVolume], have: Volume) -> Steps:
        """Give the reservation back if it is held, and the registration with it."""
        give = (_out(ask, "--release", _mine(ask), _type(ask)),) if have.mode == "exclusive" else ()
        return steps(*give, _out(ask, "--register-ignore", "--param-sark=0x0"), timeout=COMMAND_TIMEOUT_S)

    def judge(self, spec: Ask[ScsiVolume], done: Completed) -> StepError:
        """Tell a reservation conflict, which is a denial."""
        error = CommandError(done.argv, done.code, last(done.err, done.out))
        refused = done.code == CONFLICT or "reservation conflict" in (done.err + done.out).lower()
        if refused:
            return Denied(str(error))
        return Transient(str(error)) if done.code == probe.ATTENTION else super().judge(spec, done)


def _program(ask: Ask[ScsiVolume]) -> str:
    return MANY_PATHS if ask.spec.multipath else ONE_PATH


def _type(ask: Ask[ScsiVolume]) -> str:
    return TYPES[ask.spec.multipath]


def _mine(ask: Ask[ScsiVolume]) -> str:
    return f"--param-rk={ask.key:#x}"


def _out(ask: Ask[ScsiVolume], *words: str) -> tuple[str, ...]:
    plain = () if ask.spec.multipath else ("--no-inquiry",)
    return (_program(ask), *plain, "--out", *words, ask.spec.device)


def _register(ask: Ask[ScsiVolume]) -> tuple[str, ...]:
    return _out(ask, "--register-ignore", f"--param-sark={ask.key:#x}", "--param-aptpl")


BACKEND = ScsiBackend()
