"""Whether a block device does I/O: one block is read past the cache, by a child that is given up when it is late.

A child that hangs in the kernel cannot be killed. So a device is asked by one child at a time: each holds a lock until the
kernel has released it.
"""

from nvkeep.errors import CommandTimeout, ProbeError
from nvkeep.host import Host

READ_TIMEOUT_S = 3.0
STILL_ASKED = 75  # EX_TEMPFAIL: what flock ends with when an earlier child has the lock
CANNOT_RUN = (126, 127)
READ = ("dd", "of=/dev/null", "bs=4096", "count=1", "iflag=direct", "status=none")


def alone(disk: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Run a command only when no earlier one for this disk (a directory of sysfs) still runs, else end with STILL_ASKED."""
    return ("flock", "--no-fork", "--wait", "2", "--conflict-exit-code", str(STILL_ASKED), disk, *argv)


def does_io(host: Host, device: str) -> bool:
    """Return whether a block can be read. Raises ProbeError when this host has not even the means to try."""
    number = host.device_number(device)
    if number is None:
        return False
    try:
        done = host.run(alone(f"/sys/dev/block/{number}", (*READ, f"if={device}")), READ_TIMEOUT_S)
    except CommandTimeout:
        return False
    if done.code in CANNOT_RUN:
        raise ProbeError(f"cannot read from {device}: {done.err.strip()}")
    return done.code == 0
