"""The directory a file system is to be mounted on. Never looks into it while something is mounted there."""

from pathlib import PurePosixPath
from typing import NamedTuple

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.model.finding import Lack
from nvkeep.probes import fstab, mountinfo


class Place(NamedTuple):
    """What is at a path.

    `link`: the part of it that is a symbolic link; `unwritable`: why it cannot be made where it is not there; `names`: how many
    names a mount would hide, None where it is no directory.
    """

    mounted: bool = False
    link: str = ""
    there: bool = True
    unwritable: str = ""
    names: int | None = 0


def read(host: Host, path: str) -> Place:
    """Look at a place. Raises ProbeError."""
    if any(entry.path == path for entry in mountinfo.read(host)):
        return Place(mounted=True)
    if link := _link(host, path):
        return Place(link=link)
    try:
        names = len(host.names(path))
    except NotADirectoryError:
        return Place(names=None)
    except OSError as error:
        raise ProbeError(f"{path}: {error.strerror}") from error
    there = bool(names) or host.exists(path)
    return Place(there=there, names=names, unwritable="" if there else host.unwritable(path))


def _link(host: Host, path: str) -> str:
    """Name the first part of a path that is a link: mount(8) follows it, and the mount table shows another place then."""
    parts = path.strip("/").split("/")
    every = (f"/{'/'.join(parts[: number + 1])}" for number in range(len(parts)))
    return next((part for part in every if host.link_target(part) is not None), "")


def usable(host: Host, path: str, device: str) -> Lack | str:
    """Say what is wrong with a place to mount at, or what is there. Raises ProbeError."""
    if rival := _rival(host, path, device):
        return rival
    seen = read(host, path)
    if seen.link:
        return Lack(
            f"{seen.link} is a symbolic link: {path} would be mounted elsewhere", f"write the real path: realpath {path}"
        )
    if seen.names is None:
        return Lack(f"{path}, or a part of it, is not a directory", f"ls -ld {path}")
    if seen.unwritable:
        there = next((part for part in map(str, PurePosixPath(path).parents) if host.exists(part)), "/")
        return Lack(f"{path} is not there, and cannot be made ({seen.unwritable})", f"findmnt -T {there}; df {there}")
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
