"""Where keepalived writes what it is asked for, and whether only keepalived can have written what lies there."""

from collections.abc import Iterable

from nvkeep.host import Host
from nvkeep.keepalived.names import PRIVATE

SHARED = "/tmp"  # noqa: S108 - where keepalived writes without TMPDIR, and before 2.2 always


def temporary(host: Host, pid: int) -> str:
    """Find keepalived's own TMPDIR: a drop-in may have set it. Raises OSError."""
    variables = dict(entry.split("=", 1) for entry in host.read(f"/proc/{pid}/environ").split("\0") if "=" in entry)
    return variables.get("TMPDIR", SHARED).rstrip("/")


def text(host: Host, places: Iterable[str], file: str) -> str:
    """Read what was written; empty while there is nothing, or nothing that only root can have written."""
    return next((text for place in places if (text := _text(host, place, file))), "")


def _text(host: Host, directory: str, file: str) -> str:
    path = f"{directory}/{file}"
    if not host.exists(path) or not (directory == PRIVATE or _of_root(host, path)):
        return ""
    try:
        return host.read(path)
    except FileNotFoundError:
        return ""


def _of_root(host: Host, path: str) -> bool:
    """Return whether a file is a plain one of root's. Looked at before it is read: in /tmp nobody else can replace it then."""
    return host.run(("stat", "-c", "%u %F", "--", path), 2.0).out.strip() in ("0 regular file", "0 regular empty file")


def planted(host: Host, places: Iterable[str], file: str) -> str:
    """Say where somebody else's file lies in the way of keepalived's; empty where none does."""
    paths = (f"{place}/{file}" for place in places if host.exists(f"{place}/{file}") and not _text(host, place, file))
    first = next(paths, "")
    return f"; {first} is a link or another user's: remove it" if first else ""
