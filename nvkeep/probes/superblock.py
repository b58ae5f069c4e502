"""Whether the kernel still has a file system of a device, mounted where it can be seen or not: /sys/fs/TYPE/DEVICE.

After a lazy umount, or one that still writes out, the mount table says nothing any more, and the device is in use all the same.
ext4, xfs, btrfs, f2fs and others have such a directory for as long as the file system lives; where there is none, none is seen.
"""

from nvkeep.errors import ProbeError
from nvkeep.host import Host

TABLE = "/sys/fs"
BTRFS = f"{TABLE}/btrfs"  # one directory a file system, by its UUID


def alive(host: Host, number: str | None) -> bool:
    """Return whether the kernel has a file system on the device "major:minor". Touches no storage. Raises ProbeError."""
    device = host.link_target(f"/sys/dev/block/{number}") if number else None
    if device is None:
        return False
    name = device.rpartition("/")[2]
    try:
        places = (
            *(f"{kind}/{name}" for kind in host.names(TABLE)),
            *(f"btrfs/{top}/devices/{name}" for top in host.names(BTRFS)),
        )
        return any(host.exists(f"{TABLE}/{place}") for place in places)
    except OSError as error:
        raise ProbeError(f"{TABLE}: {error.strerror}") from error
