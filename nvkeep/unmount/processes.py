"""Which processes use a file system, and of which unit of systemd they are."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nvkeep.host import Host, lines
from nvkeep.probes import mountinfo
from nvkeep.unmount.blocker import Blocker, Sort, gone_is

UNITS = (".service", ".scope", ".socket", ".mount", ".swap")
NONE: list[str] = []
MAPPED = r"(?s)[0-9a-f]+-[0-9a-f]+ \S+ [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) \d+ +(/.*)"  # proc(5), maps
STARTED = 19  # the place of the start time behind the name in /proc/PID/stat
NAME_BYTES = 4096  # of a command line and of a control group: how long they are is their owner's choice


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
    return next((line.partition(":")[2].strip() for line in lines(fdinfo) if line.startswith("mnt_id:")), "")


def mapped(maps: str, numbers: frozenset[str]) -> str:
    """Give the first file of /proc/PID/maps on one of these devices, empty if there is none."""
    for line in lines(maps):
        match = re.fullmatch(MAPPED, line)
        if match and f"{int(match[1], 16)}:{int(match[2], 16)}" in numbers:
            return match[3]
    return ""


def named(host: Host, blocker: Blocker, *, deep: bool) -> Blocker | None:
    """Add command and unit; None when the process is gone by now."""
    process = f"/proc/{blocker.pid}"
    name = gone_is("", host.read, f"{process}/comm").strip()
    if not name:
        return None
    words = _short(host, f"{process}/cmdline") if deep else ""
    unit = unit_of(_short(host, f"{process}/cgroup"))
    started = "".join(_short(host, f"{process}/stat").rpartition(")")[2].split()[STARTED:][:1])
    return blocker._replace(command=words.replace("\0", " ").strip()[:80] or name, unit=unit, started=started)


def _short(host: Host, path: str) -> str:
    """Read what has a name in it; empty where that is longer than any name."""
    try:
        return host.read(path, NAME_BYTES)
    except OSError:
        return ""


def unit_of(cgroup: str) -> str:
    """Give the unit of systemd a process belongs to, by its /proc/PID/cgroup; empty if none."""
    rows = [line.split(":", 2) for line in lines(cgroup)]
    paths = [row[2] for row in rows if len(row) > 2 and row[1] in ("", "name=systemd")]  # noqa: PLR2004 - three fields
    parts = [part.removeprefix("_") for path in sorted(paths, key=len, reverse=True) for part in path.split("/")]
    return next((part for part in parts if part.endswith(UNITS)), "")
