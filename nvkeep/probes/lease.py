"""Who holds an image, read so that a file server that hangs cannot hang its reader.

On a file system of this machine the lease is read at once; on any other by children, which are given up when they are late.
"""

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, lease
from nvkeep.host.lease import Lease, Reader
from nvkeep.probes import mountinfo

LOOK_TIMEOUT_S = 3.0  # for one look at the directory, and for one at the lease in it
LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"})


def read(host: Host, file: str) -> Lease:
    """Read who holds. Raises ProbeError."""
    try:
        return lease.read(_reader(host, file), file)
    except (OSError, ValueError, NvkeepError) as error:
        raise ProbeError(f"the lease of {file} cannot be read: {error}") from error


def there(host: Host, file: str) -> bool:
    """Return whether the image itself is there. Raises ProbeError."""
    directory, _, name = file.rpartition("/")
    try:
        return name in _reader(host, file).names(directory)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, NvkeepError) as error:
        raise ProbeError(f"{directory} cannot be read: {error}") from error


def _reader(host: Host, file: str) -> Reader:
    """Choose by the mount that the file's name is below; the name itself is not looked up, which could hang as well."""
    above = [mount for mount in mountinfo.read(host) if file.startswith(f"{mount.path.rstrip('/')}/")]
    nearest = max(above, key=lambda mount: len(mount.path), default=None)
    return host if nearest is None or nearest.fstype in LOCAL else Patient(host)


class Patient:
    """Reads through children with a deadline. Raises CommandTimeout besides what a Reader raises."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def read(self, path: str) -> str:
        """Read a small file."""
        return self._said("cat", path)

    def names(self, directory: str) -> list[str]:
        """List a directory."""
        return self._said("find", directory, "-mindepth", "1", "-maxdepth", "1", "-printf", r"%f\0").split("\0")[:-1]

    def _said(self, *argv: str) -> str:
        done = self.host.run(argv, LOOK_TIMEOUT_S)
        if done.code:
            raise FileNotFoundError(done.err.strip()) if "No such file" in done.err else OSError(done.err.strip())
        return done.out
