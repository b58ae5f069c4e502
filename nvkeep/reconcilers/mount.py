"""The kind `mount`: a file system of a volume at its place."""

from dataclasses import dataclass

from nvkeep.errors import CommandError, StepError, Transient
from nvkeep.host import Completed, Host
from nvkeep.model.spec import Mount
from nvkeep.probes import mountinfo
from nvkeep.reconcilers.base import Kind, Steps, steps

TIMEOUT = 30.0  # seconds; a mount replays the journal of a file system that was cut off
BUSY = ("target is busy", "already mounted", "mount point busy")


@dataclass(frozen=True)
class MountAsk:
    """A mount, and the block device of its volume."""

    spec: Mount
    device: str


@dataclass(frozen=True)
class MountState:
    """`options`: those of the asked ones that are in force."""

    device: str
    fstype: str
    options: frozenset[str]
    writable: bool


class MountKind(Kind[MountAsk, MountState]):
    """Mounted from the right device, with the right type and options, writable unless `ro` was asked for."""

    name = "mount"

    def observe(self, host: Host, spec: MountAsk) -> MountState | None:
        """Look at the last entry for the path: what is mounted on top is what people see."""
        entries = [entry for entry in mountinfo.read(host) if entry.path == spec.spec.path]
        if not entries:
            return None
        entry = entries[-1]
        ours = entry.device == host.device_number(spec.device) and entry.root == "/"
        seen = entry.options | entry.super_options
        return MountState(
            device=spec.device if ours else f"{entry.source} ({entry.device})",
            fstype=entry.fstype,
            options=frozenset(option for option in _compared(spec.spec) if option in seen),
            writable="ro" not in seen,
        )

    def desired(self, spec: MountAsk) -> MountState:
        """Give the state asked for."""
        wanted = frozenset(_compared(spec.spec))
        return MountState(spec.device, spec.spec.fstype, wanted, "ro" not in spec.spec.options)

    def acquire(self, spec: MountAsk) -> Steps:
        """Mount; a missing mount point is made. _netdev: at shutdown, systemd unmounts it before network and storage go."""
        options = ",".join((*spec.spec.options, "_netdev", "X-mount.mkdir"))
        command = ("mount", "-t", spec.spec.fstype, "-o", options, spec.device, spec.spec.path)
        return steps(command, timeout=TIMEOUT)

    def release(self, spec: MountAsk, have: MountState) -> Steps:  # noqa: ARG002 - whatever is there has to go
        """Unmount; never lazily, because a lazy umount leaves writers behind."""
        return steps(("umount", spec.spec.path), timeout=TIMEOUT)

    def adjust(self, spec: MountAsk, have: MountState) -> Steps | None:
        """Options of the right file system can be changed in use; a file system that went read-only needs a fresh start."""
        wanted = self.desired(spec)
        if (have.device, have.fstype, have.writable) != (wanted.device, wanted.fstype, wanted.writable):
            return None
        options = ",".join(("remount", *spec.spec.options))
        return steps(("mount", "-o", options, spec.spec.path), timeout=TIMEOUT)

    def judge(self, spec: MountAsk, done: Completed) -> StepError:
        """mount(8) and umount(8) end with 32 for everything; only their words tell a busy device."""
        if any(word in done.err for word in BUSY):
            return Transient(str(CommandError(done.argv, done.code, done.err)))
        return super().judge(spec, done)


# The options that the kernel prints for every file system. Others may be in force without being shown (acl, barrier=1):
# they are passed on, and not compared.
SHOWN = frozenset(
    {"noatime", "nodiratime", "relatime", "nodev", "nosuid", "noexec", "ro", "sync", "dirsync", "lazytime", "nosymfollow"}
)


def _compared(spec: Mount) -> list[str]:
    return [option for option in spec.options if option in SHOWN]
