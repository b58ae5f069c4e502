"""Could this host serve? Every precondition of serving, probed here, with what is wrong and the command that fixes it.

One list for `nvkeep check --host`, `nvkeep setup`, `nvkeep status` and every pass. A pass looks only at what is quick (files,
and one `systemctl show`), and only on a host that does not serve: the holder stays, whatever is missing there. Changes nothing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from nvkeep import keepalived
from nvkeep.errors import CommandTimeout, NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.host.command import ENVIRONMENT
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Finding, Found, Mark, lacking, told
from nvkeep.model.spec import Address, Cluster
from nvkeep.probes import carrier, filesystems, fstab, mountpoint, unit
from nvkeep.reconcilers import ADDRESS, MOUNT, UNIT, Resource, VolumeResource, equipped, resources, specs, volumes
from nvkeep.reconcilers.backends.base import Tool
from nvkeep.reconcilers.mount import MountAsk
from nvkeep.state import host as host_state

__all__ = ["Finding", "Found", "Mark", "every", "programs", "quick", "told", "unmet", "version"]

ASKING = 0.1  # seconds a neighbour is given to answer for an address; one answers within milliseconds
NO_SUCH_PROGRAM = 127
VERSION = re.compile(r"\d+\.\d+")
PATHS = ENVIRONMENT["PATH"].split(":")


def unmet(host: Host, cluster: Cluster, service: str) -> list[Finding]:
    """Name every precondition of serving that does not hold on this host; what is unknown is not among them."""
    return lacking(every(host, cluster, service))


def quick(host: Host, cluster: Cluster, needed: Sequence[Resource], *, free: bool, by_hand: bool) -> list[Finding]:
    """Name what shows unmet at little cost.

    `free`: nobody holds the volumes, and this host is not about to take them, so the neighbours are asked for the
    addresses; `by_hand`: keepalived's configuration need not be as generated.
    """
    found = [*_here(host, needed), *(_elsewhere(host, needed) if free else ())]
    return lacking([*found, *(() if by_hand else _keepalived(keepalived.drifted(host, cluster))), *_state(host)])


def every(host: Host, cluster: Cluster, service: str) -> Iterator[Found]:
    """Probe every precondition of one service, also what takes a moment."""
    from nvkeep.keepalived.install import checks  # noqa: PLC0415 - a pass does without

    needed = [equipped(host, one) for one in resources(cluster, service, host.name)]
    yield from _here(host, needed, asked=True)
    yield from _elsewhere(host, needed) if _free(host, needed) else ()
    yield from _keepalived(*checks.seen(host, cluster))
    yield from _state(host)


def _here(host: Host, needed: Sequence[Resource], *, asked: bool = False) -> Iterator[Found]:
    """Look at what each resource needs on this host; `asked`: the tools are asked for their versions."""
    yield from dict.fromkeys(found for volume in volumes(needed) for found in _tools(host, volume, asked=asked))
    for volume in volumes(needed):
        yield _told(f"VOLUME {volume.key.name}", partial(_volume, host, volume))
    for mount in specs(MOUNT, needed):
        yield from _mount(host, mount)
    for name in dict.fromkeys(address.interface for address in specs(ADDRESS, needed)):
        yield _told(f"INTERFACE {name}", partial(_interface, host, name))
    yield from _units(host, specs(UNIT, needed))


def _told(what: str, look: Callable[[], tuple[str, str] | str]) -> Found:
    """Make a line of a look that gives why and fix where something is wrong, else what was seen."""
    try:
        seen = look()
    except (NvkeepError, OSError) as error:
        return Found(what, Mark.UNKNOWN, _one_line(error))
    return Found(what, Mark.OK, seen) if isinstance(seen, str) else Found(what, Mark.NOT_OK, *seen)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


# --- volumes ----------------------------------------------------------------------------------------------------------


def _tools(host: Host, volume: VolumeResource, *, asked: bool) -> Iterator[Found]:
    for tool in volume.kind.tools_of(host, volume.spec):
        what, program = f"BACKEND {volume.spec.spec.backend}", tool.version[0]
        if not any(host.exists(f"{directory}/{program}") for directory in PATHS):
            yield Found(what, Mark.NOT_OK, f"{program} is missing", tool.origin)
        elif asked:
            yield Found(what, Mark.OK, f"{program}: {version(host, tool)}")


def programs(host: Host, cluster: Cluster, service: str) -> Iterator[Tool]:
    """Name the programs that the volumes of a service need on this host."""
    for volume in volumes(resources(cluster, service, host.name)):
        yield from volume.kind.tools_of(host, volume.spec)


def version(host: Host, tool: Tool) -> str:
    """Give the line in which a tool tells its version; some tell none."""
    try:
        done = host.run(tool.version, 10.0)
    except CommandTimeout as error:
        return str(error)
    if done.code == NO_SUCH_PROGRAM:
        return "missing"
    lines = [line.strip() for line in (done.out + done.err).splitlines()]
    dotted = (line for line in lines if "version" in tool.version[-1] and VERSION.search(line))
    return next((line for line in lines if "version" in line.lower()), next(dotted, "there"))


def _volume(host: Host, volume: VolumeResource) -> tuple[str, str] | str:
    lack = volume.kind.lacking(host, volume.spec)
    return tuple(lack) if lack else "can be reached"  # type: ignore[return-value]  # a Lack is the two


# --- mounts -----------------------------------------------------------------------------------------------------------


def _mount(host: Host, ask: MountAsk) -> Iterator[Found]:
    path, fstype = ask.spec.path, ask.spec.fstype
    yield _told(f"MOUNTPOINT {path}", lambda: _claimed(host, path, ask.device) or _place(host, path))
    yield _told(f"FILE SYSTEM {fstype}", partial(_fstype, host, fstype))


def _claimed(host: Host, path: str, device: str) -> tuple[str, str] | None:
    """Tell who else would mount it: systemd unmounts, too, what it believes to be its own."""
    if line := fstab.line_for(host, path, device):
        return (
            f"line {line} of {fstab.TABLE} mounts it as well",
            f"sed -i '{line}s/^/# /' {fstab.TABLE} && systemctl daemon-reload",
        )
    name = fstab.unit_for(host, path)
    return (f"{name} is enabled, and mounts it as well", f"systemctl disable {name}") if name else None


def _place(host: Host, path: str) -> tuple[str, str] | str:
    seen = mountpoint.read(host, path)
    if seen.link:
        return f"{seen.link} is a symbolic link: {path} would be mounted elsewhere", f"write the real path: realpath {path}"
    if seen.names is None:
        return f"{path}, or a part of it, is not a directory", f"ls -ld {path}"
    if seen.unwritable:
        return f"{path} is not there, and cannot be made ({seen.unwritable})", f"mkdir -p {path}"
    if seen.names and not seen.mounted:  # that keeps nobody from serving
        return f"there; while it is mounted it hides what is in it now ({seen.names} names); ls -A {path}"
    return "mounted" if seen.mounted else "there" if seen.there else "not there; it is made with the first mount"


def _fstype(host: Host, fstype: str) -> tuple[str, str] | str:
    if filesystems.known(host, fstype):
        return "can be mounted"
    helped = fstype in filesystems.HELPED or "." in fstype
    fix = f"install the package that brings /sbin/mount.{fstype}" if helped else f"modprobe {fstype}"
    return f"this host cannot mount {fstype}", fix


# --- addresses --------------------------------------------------------------------------------------------------------


def _interface(host: Host, name: str) -> tuple[str, str] | str:
    if carrier.up(host, name):
        return "up, with a carrier"
    if not host.exists(f"/sys/class/net/{name}"):
        return f"there is no interface {name} here", "ip -br link"
    return f"{name} is down, or has no carrier", f"ip link set dev {name} up"


def _elsewhere(host: Host, needed: Sequence[Resource]) -> Iterator[Found]:
    """Ask for each address while nobody holds the volumes; an answer counts only if nobody has taken them meanwhile."""
    for floating in specs(ADDRESS, needed):
        yield _told(f"FLOATING IP {floating.address.ip}", partial(_free_address, host, floating, needed))


def _free_address(host: Host, spec: Address, needed: Sequence[Resource]) -> tuple[str, str] | str:
    ip = str(spec.address.ip)
    with suppress(OSError):  # no carrier: the interface's line says so
        if host.answers(spec.interface, ip, ASKING) and _free(host, needed):
            return f"nobody holds the volumes, and yet somebody answers for {ip}", f"ip neigh get {ip} dev {spec.interface}"
    return "nobody else answers for it"


def _free(host: Host, needed: Sequence[Resource]) -> bool:
    with suppress(ProbeError, OSError):
        return all(volume.holder(host).holder is Holder.NOBODY for volume in volumes(needed))
    return False


# --- units ------------------------------------------------------------------------------------------------------------


def _units(host: Host, names: Sequence[str]) -> Iterator[Found]:
    try:
        seen = unit.installed(host, names) if names else {}
        pulling = sorted({other for one in seen.values() for other in one.pulled if not one.at_boot} - unit.BOOT - {*names})
        others = unit.installed(host, pulling) if pulling else {}
    except ProbeError as error:
        yield from (Found(f"SERVICE {name}", Mark.UNKNOWN, _one_line(error)) for name in names)
        return
    for name, one in seen.items():
        by = next((other for other in sorted(one.pulled) if other in others and others[other].at_boot), "")
        yield _told(f"SERVICE {name}", partial(_unit, name, one, by))


def _unit(name: str, seen: unit.Install, by: str) -> tuple[str, str] | str:
    if seen.load == "not-found":
        return f"systemd knows no unit {name}", f"install it on this host; systemctl status {name}"
    if seen.load == "masked":
        return f"{name} is masked", f"systemctl unmask {name}"
    if seen.load != "loaded":
        return f"systemd cannot load {name} ({seen.load})", f"systemd-analyze verify {name}"
    if seen.at_boot:
        return f"{name} is enabled at boot, and nvkeep starts it", f"systemctl disable {name}"
    if by:
        return f"{name} is started at boot by {by}, and nvkeep starts it", f"systemctl disable {by}"
    return "there, and not started at boot"


# --- the host ---------------------------------------------------------------------------------------------------------


def _keepalived(*wrong: Finding | None) -> Iterator[Found]:
    yield from (Found(one.what, Mark.NOT_OK, one.why, one.fix, one.code) for one in wrong if one)
    if not any(wrong):
        yield Found("KEEPALIVED", Mark.OK, "as generated")


def _state(host: Host) -> Iterator[Found]:
    wrong = host_state.unwritable(host)
    yield Found(wrong.what, Mark.NOT_OK, wrong.why, wrong.fix) if wrong else Found("STATE", Mark.OK, "can be recorded")
