"""Which processes use a file system, and of which unit of systemd they are."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nvkeep.host import Host
from nvkeep.probes import mountinfo
from nvkeep.unmount.blocker import Blocker, Sort, gone_is

UNITS = (".service", ".scope", ".socket", ".mount", ".swap")
NONE: list[str] = []


class Sought(NamedTuple):
    """File systems: their device numbers, where they are mounted, and the device of every mount by its id.

    deep: look also where looking may have to wait: for a process that hangs in the kernel, or another file system's server.
    """

    numbers: frozenset[str]
    points: frozenset[str]
    devices: Mapping[str, str]
    deep: bool


def find(host: Host, pid: int, sought: Sought) -> Blocker | None:
    """Tell how a process holds; the first that is found, None when it does not, or is gone."""
    for path, does in _uses(host, f"/proc/{pid}", sought):
        return named(host, Blocker(Sort.PROCESS, path, does, pid), deep=sought.deep)
    return None


def _uses(host: Host, process: str, sought: Sought) -> Iterator[tuple[str, str]]:
    for link, does in (("cwd", "works in {}"), ("root", "has {} as its root"), ("exe", "runs {}")):
        here = f"{process}/{link}"
        path = host.link_target(here)
        if path and (sought.deep or _near(path, sought)) and _leads_to(host, here, gone_is("", host.mount_id, here), sought):
            yield path, does.format(path)
    for name in gone_is(NONE, host.names, f"{process}/fd"):
        here = f"{process}/fd/{name}"
        path = host.link_target(here) or ""
        if not path.startswith("/"):
            continue  # a socket, a pipe
        mount = mount_of(gone_is("", host.read, f"{process}/fdinfo/{name}"))
        if _leads_to(host, here, mount, sought):
            yield path, f"has {path} open"
    path = mapped(gone_is("", host.read, f"{process}/maps"), sought.numbers) if sought.deep else ""
    if path:
        yield path, f"has {path} mapped"


def _near(path: str, sought: Sought) -> bool:
    """Return whether a path may be on it. Only for passing by what is not: a path proves nothing."""
    return any(mountinfo.within(path, point) for point in sought.points)


def _leads_to(host: Host, link: str, mount: str, sought: Sought) -> bool:
    """Return whether a link of /proc leads to one of these file systems; `mount`: the id of the mount it is on."""
    if sought.deep and mount and mount not in sought.devices:  # unmounted lazily, or never mounted, as shared memory is
        return gone_is("", host.device_of, link) in sought.numbers
    return sought.devices.get(mount) in sought.numbers


def mount_of(fdinfo: str) -> str:
    """Give the id of the mount in /proc/PID/fdinfo/N, empty if there is none."""
    words = fdinfo.split()
    return words[words.index("mnt_id:") + 1] if "mnt_id:" in words else ""


def mapped(maps: str, numbers: frozenset[str]) -> str:
    """Give the first file of /proc/PID/maps on one of these devices, empty if there is none."""
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) > 5 and _decimal(fields[3]) in numbers:  # noqa: PLR2004 - the fields of proc(5)
            return fields[5]
    return ""


def _decimal(device: str) -> str:
    major, _, minor = device.partition(":")
    return f"{int(major, 16)}:{int(minor, 16)}"


def named(host: Host, blocker: Blocker, *, deep: bool) -> Blocker | None:
    """Add command and unit; None when the process is gone by now."""
    process = f"/proc/{blocker.pid}"
    name = gone_is("", host.read, f"{process}/comm").strip()
    if not name:
        return None
    words = gone_is("", host.read, f"{process}/cmdline") if deep else ""
    unit = unit_of(gone_is("", host.read, f"{process}/cgroup"))
    return blocker._replace(command=words.replace("\0", " ").strip()[:80] or name, unit=unit)


def unit_of(cgroup: str) -> str:
    """Give the unit of systemd a process belongs to, by its /proc/PID/cgroup; empty if none."""
    lines = [line.split(":", 2) for line in cgroup.splitlines()]
    paths = [line[2] for line in lines if len(line) > 2 and line[1] in ("", "name=systemd")]  # noqa: PLR2004 - three fields
    parts = [part.removeprefix("_") for path in sorted(paths, key=len, reverse=True) for part in path.split("/")]
    return next((part for part in parts if part.endswith(UNITS)), "")
