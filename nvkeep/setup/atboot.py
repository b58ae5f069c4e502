"""What systemd would mount by itself, of that which is nvkeep's to mount: /etc/fstab, and mount units that are enabled."""

from collections.abc import Iterator
from typing import NamedTuple

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.probes.mountinfo import plain
from nvkeep.readiness import Unmet

FSTAB = "/etc/fstab"
LIST = ("systemctl", "list-unit-files", "--type=mount,automount", "--state=enabled,enabled-runtime", "--no-legend", "--plain")
LEAST = 2  # fields of a line of fstab that say what is mounted where


class Mounted(NamedTuple):
    """Something that systemd mounts: what, where, who says so, and what to type."""

    source: str
    path: str
    by: str
    mend: str


def clashes(host: Host, cluster: Cluster) -> Iterator[Unmet]:
    """Name what systemd mounts of the mount points and devices of this host's services. Raises ProbeError."""
    wanted = dict(_wanted(cluster, host.name))
    for one in (*_fstab(host), *_units(host)):
        service = wanted.get(one.path) or wanted.get(one.source) or _same_device(host, one.source, wanted)
        if service:
            yield Unmet(
                f"mount {one.path}", f"{one.by} has systemd mount what only nvkeep may mount for service {service}", one.mend
            )


def _wanted(cluster: Cluster, host: str) -> Iterator[tuple[str, str]]:
    for service in cluster.services_of(host):
        yield from ((mount.path, service) for mount in cluster.services[service].mounts)
        yield from ((volume.device, service) for volume in cluster.services[service].volumes)


def _same_device(host: Host, source: str, wanted: dict[str, str]) -> str | None:
    """Tell whose device this is by another name."""
    number = host.device_number(source) if source.startswith("/dev/") else None
    return next((service for path, service in wanted.items() if number and host.device_number(path) == number), None)


def _fstab(host: Host) -> Iterator[Mounted]:
    try:
        lines = host.read(FSTAB).splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ProbeError(f"{FSTAB}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if len(fields) >= LEAST and not fields[0].startswith("#"):
            mend = f"sed -i '{number}s/^/# /' {FSTAB} && systemctl daemon-reload"
            yield Mounted(plain(fields[0]), plain(fields[1]), f"{FSTAB}:{number}", mend)


def _units(host: Host) -> Iterator[Mounted]:
    for line in _asked(host, LIST).splitlines():
        name = line.split()[0]
        said = dict(one.split("=", 1) for one in _asked(host, _show(name)).splitlines() if "=" in one)
        yield Mounted(said.get("What", ""), said.get("Where", ""), name, f"systemctl disable {name}")


def _show(name: str) -> tuple[str, ...]:
    return ("systemctl", "show", "--property=What,Where", "--", name)


def _asked(host: Host, argv: tuple[str, ...]) -> str:
    done = host.run(argv, 10.0)
    if done.code and (done.err.strip() or argv != LIST):  # an empty list is 1, too
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {done.err.strip()}")
    return done.out
