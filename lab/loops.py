"""Loop devices: global to the machine, so only those on the lab's own files are ever touched."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path

from lab.commands import LabError, run

SECTOR = 4096
# Where udev runs, it would read every new loop device, hold it open meanwhile and make the volume look busy.
UDEV = Path("/run/udev/control")
ALONE = Path("/run/nvkeep-lab-losetup.lock")
RULES = Path("/run/udev/rules.d/59-nvkeep-lab.rules")


def keep_udev_off(directory: Path | None) -> None:
    """Tell udev to leave loop devices on files below a directory alone; None takes that back."""
    if not UDEV.exists():
        return
    RULES.parent.mkdir(parents=True, exist_ok=True)
    RULES.unlink(missing_ok=True)
    if directory is not None:
        match = f'SUBSYSTEM=="block", KERNEL=="loop*", ATTR{{loop/backing_file}}=="{directory}/*"'
        RULES.write_text(f'{match}, ENV{{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}}="1", OPTIONS:="nowatch"\n')
    run(("udevadm", "control", "--reload"), check=False)


def attach(file: Path, *, read_only: bool = False) -> str:
    """Put a loop device on a file and return its path; retries while other users of the machine win the race.

    One at a time in all lanes: two losetup(8) that find the same free device both open it, and the one that loses keeps the
    other's volume busy for a moment (seen: 15 of 240 times, for up to 34 ms).
    """
    argv = ["losetup", "--find", "--show", "--direct-io=on", f"--sector-size={SECTOR}", str(file)]
    argv += ["--read-only"] if read_only else []
    deadline = time.monotonic() + 5
    while True:
        with ALONE.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            done = run(argv, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
        if "busy" not in done.stderr.lower() or time.monotonic() > deadline:
            raise LabError(f"losetup {file}: {done.stderr.strip()}")
        time.sleep(0.01)


def detach(device: str, file: Path) -> None:
    """Take a loop device off a file of ours; while something has it open the kernel does so at the last close."""
    if (device, str(file)) in mine(file.parent):
        run(("losetup", "--detach", device), check=False, timeout=5)


def mine(directory: Path) -> list[tuple[str, str]]:
    """Return every loop device on a file below a directory, with the file."""
    text = run(("losetup", "--list", "--json", "--output", "NAME,BACK-FILE")).stdout
    devices = json.loads(text)["loopdevices"] if text.strip() else []
    pairs = [(str(each["name"]), str(each["back-file"]).removesuffix(" (deleted)")) for each in devices]
    return [pair for pair in pairs if pair[1].startswith(f"{directory}/")]


def busy(device: str) -> bool:
    """Return whether anything has the device open: a mount, swap, or a process."""
    try:
        # O_EXCL asks for the claim that every mount holds, in whatever mount namespace it is, lazily unmounted or not.
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError:
        return True
    return _opened(Path(device).stat().st_rdev)


def _opened(number: int) -> bool:
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if descriptor.stat().st_rdev == number:
                return True
    return False
