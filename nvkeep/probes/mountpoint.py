"""The directory a file system is to be mounted on. Never looks into it while something is mounted there."""

from typing import NamedTuple

from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.probes import mountinfo


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
