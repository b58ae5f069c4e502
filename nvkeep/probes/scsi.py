"""The persistent reservation of a SCSI disk: `sg_persist --in` (sg3-utils) or `mpathpersist --in`, as in SPC-3, section 5.6.

A command to a disk whose target is gone hangs in the kernel and cannot be killed. So a disk that the kernel calls anything but
running is not asked, and a disk is asked by one command at a time: each holds a lock until the kernel has released it.
"""

import re
from typing import NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, first
from nvkeep.probes.io import STILL_ASKED, alone

NONE = "there is NO reservation held"
HELD = r"(?i)Key\s*=\s*0x([0-9a-f]+)"
KEYS = r"(?im)^[ \t]+0x([0-9a-f]+)[ \t]*\n"  # a line without an end may be cut short
ATTENTION = 6  # SG_LIB_CAT_UNIT_ATTENTION: the disk first tells, once for each event, what happened to its registrations
COMMAND_ATTEMPTS = 3
COUNT = r"\b(\d+) registered reservation keys? follow"
RUNNING = "running"
NO_KEYS = r"there are NO registered reservation keys|\b0 registered reservation key\b"  # the second: mpathpersist


class Entry(NamedTuple):
    """Who holds (a key; 0 = nobody), and who is registered."""

    holder: int
    keys: frozenset[int]


def read(host: Host, program: str, device: str) -> Entry:
    """Ask the disk. Raises ProbeError."""
    disk = _reachable(host, device)
    plain = ("--no-inquiry",) if program == "sg_persist" else ()
    keys = _asked(host, disk, (program, *plain, "--in", "--read-keys", device))
    held = _asked(host, disk, (program, *plain, "--in", "--read-reservation", device))
    return Entry(parse_holder(held), parse_keys(keys))


def _reachable(host: Host, device: str) -> str:
    """Give the disk's directory in sysfs. Raises ProbeError when the kernel reaches it by none of its paths."""
    number = host.device_number(device)
    if number is None:
        raise ProbeError(f"there is no block device {device}")
    disk = f"/sys/dev/block/{number}"
    below = [f"{disk}/slaves/{name}" for name in host.names(f"{disk}/slaves")]
    states = {state for path in below or [disk] if (state := _state(host, path))}
    if states and RUNNING not in states:
        raise ProbeError(f"the kernel does not reach {device}: it is {', '.join(sorted(states))}")
    return disk


def _state(host: Host, path: str) -> str:
    try:
        return host.read(f"{path}/device/state").strip()
    except OSError:
        return ""  # not a SCSI disk: whoever is asked will say so


def _asked(host: Host, disk: str, argv: tuple[str, ...]) -> str:
    try:
        done = next(
            (done for _ in range(COMMAND_ATTEMPTS) if (done := host.run(alone(disk, argv), 5.0)).code != ATTENTION), None
        )
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done is None:
        raise ProbeError(f"`{' '.join(argv)}`: the disk keeps reporting unit attentions")
    if done.code == STILL_ASKED:
        raise ProbeError(f"{argv[-1]} has not answered an earlier `{argv[0]}`, which hangs in the kernel")
    if done.code:
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {first(done.err, done.out)}")
    return done.out


def parse_holder(text: str) -> int:
    """Parse --read-reservation. Raises ProbeError when it says neither that there is one nor that there is none."""
    match = re.search(HELD, text)
    if match and int(match[1], 16):  # 0: a type that all registrants hold, or an answer that is none
        return int(match[1], 16)
    if NONE in text and not match:
        return 0
    raise ProbeError(f"cannot parse the reservation: {text.strip()!r}")


def parse_keys(text: str) -> frozenset[int]:
    """Parse --read-keys. Raises ProbeError when it does not list as many keys as it says there are."""
    keys, count = [int(key, 16) for key in re.findall(KEYS, text)], re.search(COUNT, text)
    announced = 0 if re.search(NO_KEYS, text) else int(count[1]) if count else -1
    if announced != len(keys):
        raise ProbeError(f"cannot parse the registered keys: {text.strip()!r}")
    return frozenset(keys)
