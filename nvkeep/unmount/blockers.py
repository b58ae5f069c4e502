"""Who keeps a file system from being unmounted: processes, other mounts, mount namespaces, loop devices, swap, NFS exports.

Everything is matched by device number, never by the beginning of a path. The number comes from the mount an open file or a
directory is on (/proc/PID/fdinfo and an O_PATH descriptor give its id, the mount tables its device), so that a file system
whose storage is dead is never asked; only what no mount table shows (after a lazy umount) is asked with stat(2).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, lines
from nvkeep.probes import mountinfo
from nvkeep.probes.mountinfo import Place
from nvkeep.unmount import processes
from nvkeep.unmount.blocker import Blocker, Sort, gone_is

NFS_SERVER = "nfs-server.service"
EXPORTS = "/proc/fs/nfsd/exports"
LOSETUP_TIMEOUT_S = 2.0  # for losetup, which asks the kernel for one device


class Tables(NamedTuple):
    """The mount tables: ours, one of each other mount namespace by its name, and the device of every mount's id."""

    ours: tuple[Place, ...]
    others: dict[str, tuple[Place, ...]]
    devices: dict[str, str]


def look(host: Host, path: str, number: str | None, *, deep: bool = True) -> tuple[Blocker, ...]:
    """Tell who holds what is mounted at a path, and the file system of the device `number` wherever it is.

    deep: also what processes have mapped, their whole command line, and what no mount table shows; reading these may wait for
    a process that hangs in the kernel, or for another file system. Raises ProbeError.
    """
    try:
        if not _root(host):
            raise ProbeError(f"only root sees who holds {path}; run it as root")
        return tuple(_look(host, path, number, deep=deep))
    except OSError as error:
        raise ProbeError(f"cannot determine who holds {path}: {error}") from error


def _root(host: Host) -> bool:
    status = host.read("/proc/self/status")
    return status.partition("\nUid:")[2].split()[1:2] == ["0"]


def _look(host: Host, path: str, number: str | None, *, deep: bool) -> Iterator[Blocker]:
    pids = [int(name) for name in host.names("/proc") if name.isdigit()]
    spaces = {pid: host.link_target(f"/proc/{pid}/ns/mnt") or "" for pid in pids}
    tables = read_tables(host, spaces)
    loops = tuple(_loops(host, tables.ours, devices_at(tables.ours, path, number)))
    numbers = devices_at(tables.ours, path, number) | {device for _, device in loops}
    yield from (blocker for blocker, _ in loops)
    yield from mounted(tables.ours, path, numbers)
    yield from _kernels(host, tables.ours, numbers)
    every = (*tables.ours, *(mount for table in tables.others.values() for mount in table))
    points = frozenset(mount.entry.path for mount in every if mount.entry.device in numbers)
    sought = processes.Sought(numbers, points, tables.devices, deep)
    apart = {space for space, table in tables.others.items() if kept_apart(tables.ours, table, numbers)}
    for pid in pids:
        uses = processes.find(host, pid, sought)
        if uses is None and spaces[pid] in apart:
            apart.discard(spaces[pid])  # one process is enough to name it
            for where in kept_apart(tables.ours, tables.others[spaces[pid]], numbers):
                does = f"has it mounted at {where} in a mount namespace of its own"
                named = processes.named(host, Blocker(Sort.NAMESPACE, where, does, pid), deep=deep)
                yield from (named,) if named else ()
        if uses is not None:
            yield uses


def read_tables(host: Host, spaces: Mapping[int, str]) -> Tables:
    """Read our mount table, and that of one process in each other mount namespace."""
    ours = mountinfo.places(host.read(mountinfo.TABLE))
    own = host.link_target("/proc/self/ns/mnt")
    others: dict[str, tuple[Place, ...]] = {}
    for pid, space in spaces.items():
        if space not in ("", own) and space not in others:
            text = gone_is("", host.read, f"/proc/{pid}/mountinfo")
            if text:
                others[space] = mountinfo.places(text)
    devices = {place.id: place.entry.device for table in (*others.values(), ours) for place in table}
    return Tables(ours, others, devices)


def devices_at(table: Iterable[Place], path: str, number: str | None) -> frozenset[str]:
    """Give the devices whose users count: the volume's, and what is mounted at or below its path and nowhere else.

    Never the one that / is on: its users are all processes.
    """
    below = {mount.entry.device for mount in table if mountinfo.within(mount.entry.path, path)}
    elsewhere = {mount.entry.device for mount in table if not mountinfo.within(mount.entry.path, path)}
    root = {mount.entry.device for mount in table if mount.entry.path == "/"}
    return frozenset(((below - elsewhere) | ({number} if number else set())) - root)


def mounted(table: Iterable[Place], path: str, numbers: frozenset[str]) -> Iterator[Blocker]:
    """Give what is mounted below the path, and the same file systems mounted elsewhere."""
    for mount in table:
        where = mount.entry.path
        if where != path and mountinfo.within(where, path):
            yield Blocker(Sort.MOUNT, where, f"{where} is mounted below it")
        elif where != path and mount.entry.device in numbers:
            yield Blocker(Sort.MOUNT, where, f"it is mounted at {where} as well")


def kept_apart(ours: Iterable[Place], theirs: Iterable[Place], numbers: frozenset[str]) -> tuple[str, ...]:
    """Give where another mount namespace has it mounted and would not follow an umount here, deepest first."""
    groups = {mount.group for mount in ours if mount.entry.device in numbers and mount.group}
    mine = (mount for mount in theirs if mount.entry.device in numbers)
    return tuple(sorted((mount.entry.path for mount in mine if not groups & {mount.group, mount.follows}), reverse=True))


def on(table: Iterable[Place], path: str) -> Place | None:
    """Give the mount that a path written by the kernel is on: no link is in it, so the mount table alone tells."""
    fitting = [mount for mount in table if mountinfo.within(path, mount.entry.path.rstrip("/"))]
    return max(fitting, key=lambda mount: len(mount.entry.path), default=None)


def _is_on(table: Iterable[Place], path: str, numbers: frozenset[str]) -> bool:
    place = on(table, path)
    return place is not None and place.entry.device in numbers


# --- the kernel's own holders ------------------------------------------------------------------------------------------


def _loops(host: Host, table: tuple[Place, ...], numbers: frozenset[str]) -> Iterator[tuple[Blocker, str]]:
    """Give the loop devices on files of these file systems, each with its device number."""
    for name in host.names("/sys/block"):
        if not name.startswith("loop"):
            continue
        file = gone_is("", host.read, f"/sys/block/{name}/loop/backing_file").rstrip("\n")
        if file and _is_on(table, file, numbers) and _backed_by(host, name, numbers):
            does = f"/dev/{name} is a loop device on its file {file}"
            yield Blocker(Sort.LOOP, f"/dev/{name}", does), host.read(f"/sys/block/{name}/dev").strip()


def _backed_by(host: Host, name: str, numbers: frozenset[str]) -> bool:
    """Make sure by number: the same path may be another file system's in another mount namespace."""
    argv = ("losetup", "--list", "--noheadings", "--output", "BACK-MAJ:MIN", f"/dev/{name}")
    try:
        done = host.run(argv, LOSETUP_TIMEOUT_S)
    except NvkeepError:
        return True  # it cannot be asked any more: the path alone has to do
    return bool(done.code) or done.out.strip() in numbers | {""}


def _kernels(host: Host, table: tuple[Place, ...], numbers: frozenset[str]) -> Iterator[Blocker]:
    for file in swap_files(gone_is("", host.read, "/proc/swaps")):
        if _is_on(table, file, numbers):
            yield Blocker(Sort.SWAP, file, f"the kernel swaps to its file {file}")
    for path, client in exports(gone_is("", host.read, EXPORTS)):
        if _is_on(table, path, numbers):
            does = f"the kernel's NFS server ({NFS_SERVER}) exports {path} to {client}"
            yield Blocker(Sort.EXPORT, path, does, command=client, unit=NFS_SERVER)


def swap_files(text: str) -> tuple[str, ...]:
    """Pick the files of /proc/swaps; partitions are none."""
    rows = [line.split() for line in lines(text)[1:]]
    return tuple(mountinfo.plain(row[0]) for row in rows if len(row) > 1 and row[1] == "file")


def exports(text: str) -> tuple[tuple[str, str], ...]:
    """Parse /proc/fs/nfsd/exports: what the kernel holds for a client now, as (path, client)."""
    rows = [line.split(None, 1) for line in lines(text) if line.startswith("/")]
    return tuple((mountinfo.plain(row[0]), row[1].partition("(")[0] if len(row) > 1 else "") for row in rows)
