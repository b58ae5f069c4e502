"""The kind `mount`: a file system of a volume at its place."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from nvkeep.errors import CommandError, ProbeError, StepError, Transient
from nvkeep.host import Completed, Host
from nvkeep.model.finding import Found, looked
from nvkeep.model.frozen import frozen
from nvkeep.model.mounts import Bind, Mount, typed
from nvkeep.model.spec import Policy
from nvkeep.probes import filesystems, mountinfo, mountpoint, superblock
from nvkeep.probes.filesystem_errors import trouble
from nvkeep.reconcilers.base import Kind, Steps, Verb, steps

# As long as timing.step: a journal is replayed, multi-mount protection waits; killed, it begins anew.
MOUNT_TIMEOUT_S = math.inf
UMOUNT_TIMEOUT_S = 30.0
HURRY_S = 8.0  # a host that isolates itself gives an umount: what is to be written out may never be
UMOUNT = ("nvkeep", "umount")
LONGER = "where a mount takes longer (multi-mount protection, a long journal), write timing: {step: 300} into cluster.yaml"
LATE = 124  # exit code of a command that was given up
BUSY = ("target is busy", "already mounted", "mount point busy")


@frozen
class MountAsk:
    """A mount, the block device of its volume, and what its release needs: the policy, and where else the volume belongs.

    `outer`: where the volume is mounted whose directory is bound.
    """

    spec: Mount | Bind
    device: str
    holders: Policy = "unit"
    units: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    outer: str = ""

    @property
    def inside(self) -> tuple[str, str] | None:
        """Where it is mounted, and the directory in there, of a bind mount."""
        return (self.outer, self.spec.from_) if isinstance(self.spec, Bind) else None

    @property
    def source(self) -> str:
        """What is mounted: the device, or a directory of it."""
        return "/".join(self.inside) if self.inside else self.device


@frozen
class MountState:
    """`options`: those of the asked ones that are in force. `hidden`: not at its place, but the kernel still has it.

    `trouble`: why it cannot be relied on although it is mounted, in the kernel's words.
    """

    device: str
    fstype: str
    options: frozenset[str]
    writable: bool
    hidden: bool = False
    trouble: str = ""


class MountKind(Kind[MountAsk, MountState]):
    """Mounted from the right device, with the right type and options, writable unless `ro` was asked for."""

    name = "mount"
    title = "MOUNTPOINT"
    turn = 2
    keeps = True
    hurry = HURRY_S

    def observe(self, host: Host, spec: MountAsk) -> MountState | None:
        """Look at the last entry for the path: what is mounted on top is what people see."""
        number = host.device_number(spec.device)
        table = mountinfo.table(host, spec.spec.path, *([number] if number else []))
        place = mountinfo.at(table, spec.spec.path)
        if not place:
            return None if any(mountinfo.at(table, path) for path in spec.beside) else self._hidden(host, spec)
        if above := mountinfo.cover(table, place):
            why = f"{spec.spec.path} is mounted, but out of reach: {above.fstype} is mounted over it, at {above.path}"
            raise ProbeError(why, f"umount {above.path}")
        entry = place.entry
        ours = mountinfo.below(host, entry) == number and entry.root == mountinfo.shown(
            table, entry, spec.spec.options, spec.inside
        )
        seen = entry.options | entry.super_options
        return MountState(
            device=spec.source if ours else f"{entry.source} ({entry.device})",
            fstype=spec.spec.fstype if isinstance(spec.spec, Bind) else entry.fstype,
            options=frozenset(option for option in _compared(spec.spec) if option in seen),
            writable="ro" not in seen,
            trouble=trouble(host, entry, spec.device, spec.spec.options) if ours else "",
        )

    def _hidden(self, host: Host, spec: MountAsk) -> MountState | None:
        """Look for what an umount has left: a lazy one, one that still writes, one that another mount namespace outlives."""
        lives = superblock.alive(host, host.device_number(spec.device))
        return MountState(spec.source, spec.spec.fstype, frozenset(), writable=True, hidden=True) if lives else None

    def desired(self, spec: MountAsk) -> MountState:
        """Give the state asked for."""
        wanted = frozenset(_compared(spec.spec))
        return MountState(spec.source, spec.spec.fstype, wanted, "ro" not in spec.spec.options)

    def acquire(self, spec: MountAsk) -> Steps:
        """Mount; a missing mount point is made. _netdev: at shutdown, systemd unmounts it before network and storage go."""
        how = ("bind",) if isinstance(spec.spec, Bind) else ()
        options = ",".join((*how, *map(typed, spec.spec.options), "_netdev", "X-mount.mkdir"))
        command = ("mount", "-t", spec.spec.fstype, "-o", options, spec.source, spec.spec.path)
        return steps(command, timeout=MOUNT_TIMEOUT_S)

    def release(self, spec: MountAsk, have: MountState) -> Steps:  # noqa: ARG002 - whatever is there has to go
        """Unmount, by the escalation if it is busy; never lazily, because a lazy umount leaves writers behind."""
        return _umount(spec, UMOUNT_TIMEOUT_S)

    def isolate(self, spec: MountAsk, have: MountState) -> Steps:
        """Unmount soon. What is unmounted and cannot be written out ends with the device."""
        return () if have.hidden else _umount(spec, HURRY_S)

    def settled(self, spec: MountAsk, have: MountState | None, verb: Verb) -> bool:
        """Call a host that isolates itself done when nobody can reach the file system any more."""
        return (verb is Verb.ISOLATE and have is not None and have.hidden) or super().settled(spec, have, verb)

    def adjust(self, spec: MountAsk, have: MountState) -> Steps | None:
        """Change options in use; another file system, or one that went read-only or has errors, needs a fresh start."""
        if have.hidden:
            return self.acquire(spec)
        if replace(have, options=frozenset()) != replace(self.desired(spec), options=frozenset()):
            return None
        how = ("remount", "bind") if isinstance(spec.spec, Bind) else ("remount",)
        options = ",".join((*how, *map(typed, spec.spec.options)))
        return steps(("mount", "-o", options, spec.spec.path), timeout=MOUNT_TIMEOUT_S)

    def ours(self, spec: MountAsk, have: MountState | None) -> bool:
        """Mounted from the right device."""
        return have is not None and have.device == spec.source

    def broken(self, spec: MountAsk, have: MountState | None) -> str:
        """Say that the file system writes no more, or has errors."""
        if have is None or have.hidden or not self.ours(spec, have):
            return ""
        readonly = "it is read-only by now; dmesg | tail" if self.desired(spec).writable and not have.writable else ""
        return have.trouble or readonly

    def judge(self, spec: MountAsk, done: Completed) -> StepError:
        """mount(8) ends with 32 for everything; only its words name a busy device. The escalation ends with a sentence."""
        if done.argv[:2] == UMOUNT:
            late = done.code in (0, LATE)
            return Transient(f"{spec.spec.path}: the kernel still has it") if late else StepError(done.err.strip())
        if any(word in done.err for word in BUSY):
            return Transient(str(CommandError(done.argv, done.code, done.err)))
        if done.code == LATE:
            return StepError(f"{CommandError(done.argv, done.code, done.err)}; {LONGER}")
        return super().judge(spec, done)

    def prerequisites(self, host: Host, specs: Sequence[MountAsk], *, thorough: bool) -> Iterator[Found]:  # noqa: ARG002 - quick
        """Nobody else mounts it, the mount point is a directory or can become one, and the kernel knows the file system."""
        for spec in specs:
            path, fstype = spec.spec.path, spec.spec.fstype
            yield looked(f"{self.title} {path}", partial(mountpoint.usable, host, path, spec.device))
            if isinstance(spec.spec, Mount):
                yield looked(f"FILE SYSTEM {fstype}", partial(filesystems.mountable, host, fstype))


def _umount(spec: MountAsk, within: float) -> Steps:
    units = ("--units", ",".join(spec.units)) if spec.units else ()
    beside = ("--beside", ",".join(spec.beside)) if spec.beside else ()
    policy = ("--holders", spec.holders, *units, *beside, "--within", f"{within:g}")
    return steps((*UMOUNT, spec.spec.path, "--device", spec.device, *policy), timeout=within)


# The options that the kernel prints for every file system. Others may be in force without being shown (acl, barrier=1):
# they are passed on, and not compared.
SHOWN = frozenset(
    {"noatime", "nodiratime", "relatime", "nodev", "nosuid", "noexec", "ro", "sync", "dirsync", "lazytime", "nosymfollow"}
)


def _compared(spec: Mount | Bind) -> list[str]:
    return [option for option in spec.options if option in SHOWN]
