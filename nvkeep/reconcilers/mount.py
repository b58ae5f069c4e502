"""The kind `mount`: a file system of a volume at its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from nvkeep.errors import CommandError, StepError, Transient
from nvkeep.host import Completed, Host
from nvkeep.model.finding import Found, Lack, looked
from nvkeep.model.plan import Verb
from nvkeep.model.spec import Mount, Policy
from nvkeep.probes import filesystems, fstab, mountinfo, mountpoint, superblock
from nvkeep.reconcilers.base import Kind, Steps, steps

COMMAND_TIMEOUT_S = 30.0  # a mount replays the journal of a file system that was cut off
HURRY_S = 8.0  # a host that isolates itself gives an umount: what is to be written out may never be
UMOUNT = ("nvkeep", "umount")
LATE = 124  # exit code of a command that was given up
BUSY = ("target is busy", "already mounted", "mount point busy")


@dataclass(frozen=True)
class MountAsk:
    """A mount, the block device of its volume, and what its release needs: the policy, and where else the volume belongs."""

    spec: Mount
    device: str
    holders: Policy = "unit"
    units: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class MountState:
    """`options`: those of the asked ones that are in force. `hidden`: not at its place, but the kernel still has it."""

    device: str
    fstype: str
    options: frozenset[str]
    writable: bool
    hidden: bool = False


class MountKind(Kind[MountAsk, MountState]):
    """Mounted from the right device, with the right type and options, writable unless `ro` was asked for."""

    name = "mount"
    title = "MOUNTPOINT"
    turn = 2
    keeps = True
    hurry = HURRY_S

    def observe(self, host: Host, spec: MountAsk) -> MountState | None:
        """Look at the last entry for the path: what is mounted on top is what people see."""
        table = mountinfo.read(host)
        entries = [entry for entry in table if entry.path == spec.spec.path]
        if not entries:
            return None if any(entry.path in spec.beside for entry in table) else self._hidden(host, spec)
        entry = entries[-1]
        ours = entry.device == host.device_number(spec.device) and entry.root == "/"
        seen = entry.options | entry.super_options
        return MountState(
            device=spec.device if ours else f"{entry.source} ({entry.device})",
            fstype=entry.fstype,
            options=frozenset(option for option in _compared(spec.spec) if option in seen),
            writable="ro" not in seen,
        )

    def _hidden(self, host: Host, spec: MountAsk) -> MountState | None:
        """Look for what an umount has left: a lazy one, one that still writes, one that another mount namespace outlives."""
        lives = superblock.alive(host, host.device_number(spec.device))
        return MountState(spec.device, spec.spec.fstype, frozenset(), writable=True, hidden=True) if lives else None

    def desired(self, spec: MountAsk) -> MountState:
        """Give the state asked for."""
        wanted = frozenset(_compared(spec.spec))
        return MountState(spec.device, spec.spec.fstype, wanted, "ro" not in spec.spec.options)

    def acquire(self, spec: MountAsk) -> Steps:
        """Mount; a missing mount point is made. _netdev: at shutdown, systemd unmounts it before network and storage go."""
        options = ",".join((*spec.spec.options, "_netdev", "X-mount.mkdir"))
        command = ("mount", "-t", spec.spec.fstype, "-o", options, spec.device, spec.spec.path)
        return steps(command, timeout=COMMAND_TIMEOUT_S)

    def release(self, spec: MountAsk, have: MountState) -> Steps:  # noqa: ARG002 - whatever is there has to go
        """Unmount, by the escalation if it is busy; never lazily, because a lazy umount leaves writers behind."""
        return _umount(spec, COMMAND_TIMEOUT_S)

    def isolate(self, spec: MountAsk, have: MountState) -> Steps:
        """Unmount soon. What is unmounted and cannot be written out ends with the device."""
        return () if have.hidden else _umount(spec, HURRY_S)

    def settled(self, spec: MountAsk, have: MountState | None, verb: Verb) -> bool:
        """Call a host that isolates itself done when nobody can reach the file system any more."""
        return (verb is Verb.ISOLATE and have is not None and have.hidden) or super().settled(spec, have, verb)

    def adjust(self, spec: MountAsk, have: MountState) -> Steps | None:
        """Options of the right file system can be changed in use; a file system that went read-only needs a fresh start."""
        wanted = self.desired(spec)
        if have.hidden:
            return self.acquire(spec)
        if (have.device, have.fstype, have.writable) != (wanted.device, wanted.fstype, wanted.writable):
            return None
        options = ",".join(("remount", *spec.spec.options))
        return steps(("mount", "-o", options, spec.spec.path), timeout=COMMAND_TIMEOUT_S)

    def ours(self, spec: MountAsk, have: MountState | None) -> bool:
        """Mounted from the right device."""
        return have is not None and have.device == spec.device

    def judge(self, spec: MountAsk, done: Completed) -> StepError:
        """mount(8) ends with 32 for everything; only its words name a busy device. The escalation ends with a sentence."""
        if done.argv[:2] == UMOUNT:
            late = done.code in (0, LATE)
            return Transient(f"{spec.spec.path}: the kernel still has it") if late else StepError(done.err.strip())
        if any(word in done.err for word in BUSY):
            return Transient(str(CommandError(done.argv, done.code, done.err)))
        return super().judge(spec, done)

    def prerequisites(self, host: Host, specs: Sequence[MountAsk], *, thorough: bool) -> Iterator[Found]:  # noqa: ARG002 - quick
        """Nobody else mounts it, the mount point is a directory or can become one, and the kernel knows the file system."""
        for spec in specs:
            path, fstype = spec.spec.path, spec.spec.fstype
            yield looked(f"{self.title} {path}", partial(_place, host, path, spec.device))
            yield looked(f"FILE SYSTEM {fstype}", partial(_fstype, host, fstype))


def _umount(spec: MountAsk, within: float) -> Steps:
    units = ("--units", ",".join(spec.units)) if spec.units else ()
    beside = ("--beside", ",".join(spec.beside)) if spec.beside else ()
    policy = ("--holders", spec.holders, *units, *beside, "--within", f"{within:g}")
    return steps((*UMOUNT, spec.spec.path, "--device", spec.device, *policy), timeout=within)


def _place(host: Host, path: str, device: str) -> Lack | str:
    if rival := _rival(host, path, device):
        return rival
    seen = mountpoint.read(host, path)
    if seen.link:
        return Lack(
            f"{seen.link} is a symbolic link: {path} would be mounted elsewhere", f"write the real path: realpath {path}"
        )
    if seen.names is None:
        return Lack(f"{path}, or a part of it, is not a directory", f"ls -ld {path}")
    if seen.unwritable:
        return Lack(f"{path} is not there, and cannot be made ({seen.unwritable})", f"mkdir -p {path}")
    if seen.names and not seen.mounted:  # that keeps nobody from serving
        return f"there, but not empty ({seen.names} entries), and a mount hides them; ls -A {path}"
    return "mounted" if seen.mounted else "there" if seen.there else "not there; it is made with the first mount"


def _rival(host: Host, path: str, device: str) -> Lack | None:
    """Name who else would mount it: systemd unmounts, too, what it believes to be its own."""
    if line := fstab.line_for(host, path, device):
        fix = f"sed -i '{line}s/^/# /' {fstab.TABLE} && systemctl daemon-reload"
        return Lack(f"line {line} of {fstab.TABLE} mounts it as well", fix)
    name = fstab.unit_for(host, path)
    return Lack(f"{name} is enabled, and mounts it as well", f"systemctl disable {name}") if name else None


def _fstype(host: Host, fstype: str) -> Lack | str:
    if filesystems.known(host, fstype):
        return "can be mounted"
    helped = fstype in filesystems.HELPED or "." in fstype
    fix = f"install the package that brings /sbin/mount.{fstype}" if helped else f"modprobe {fstype}"
    return Lack(f"this host cannot mount {fstype}", fix)


# The options that the kernel prints for every file system. Others may be in force without being shown (acl, barrier=1):
# they are passed on, and not compared.
SHOWN = frozenset(
    {"noatime", "nodiratime", "relatime", "nodev", "nosuid", "noexec", "ro", "sync", "dirsync", "lazytime", "nosymfollow"}
)


def _compared(spec: Mount) -> list[str]:
    return [option for option in spec.options if option in SHOWN]
