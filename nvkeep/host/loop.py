"""Loop devices under names of our own: LINK -> /dev/loopN, set before the device is bound, so that a crash leaks nothing."""

import os
from pathlib import Path

from nvkeep.errors import CommandError
from nvkeep.host.command import run

ATTACH_ATTEMPTS = 20  # loop numbers are global to the machine: another process may take the free one first
BUSY = "busy"
COMMAND_TIMEOUT_S = 10.0


def attach(file: str, link: str) -> str:
    """Bind FILE to a free loop device, direct I/O, and point LINK at it. Raises CommandError."""
    if bound(link) == file:
        return ""
    for _ in range(ATTACH_ATTEMPTS):
        device = _checked("losetup", "--find")
        _point(link, device)
        done = run(("losetup", "--direct-io=on", device, file), COMMAND_TIMEOUT_S)
        if done.code == 0:
            return device
        if BUSY not in done.err.lower():
            break
    raise CommandError(done.argv, done.code, done.err)


def detach(file: str, link: str) -> str:
    """Unbind the loop device that LINK names, if FILE is on it. Raises CommandError."""
    if bound(link) == file:
        _checked("losetup", "--detach", os.readlink(link))  # noqa: PTH115 - a string is asked for
        if bound(link) == file:
            raise CommandError(("losetup", "--detach", link), 1, "device is busy")
    Path(link).unlink(missing_ok=True)
    return ""


def bound(link: str) -> str | None:
    """Give the file that the loop device behind LINK is on, None when there is none."""
    try:
        device = Path(os.readlink(link)).name  # noqa: PTH115 - a string is asked for
        return Path(f"/sys/block/{device}/loop/backing_file").read_text().rstrip("\n")
    except OSError:
        return None


def _checked(*argv: str) -> str:
    done = run(argv, COMMAND_TIMEOUT_S)
    if done.code:
        raise CommandError(argv, done.code, done.err)
    return done.out.strip()


def _point(link: str, device: str) -> None:
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(f"{link}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(device)
    temporary.replace(link)
