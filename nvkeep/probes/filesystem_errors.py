"""What the kernel says against a file system that is still mounted: it writes no more, was shut down, or has counted errors.

Sources: ext4 prints `emergency_ro` and `shutdown` among its options (Linux 6.15 and 6.9), and counts errors under
/sys/fs/ext4/NAME (Documentation/ABI/testing/sysfs-fs-ext4), across mounts; its superblock has the time of the last mount
(fs/ext4/ext4.h). A stat of the top directory of an XFS that was shut down gives EIO (fs/xfs/xfs_iops.c); that directory is in
memory for as long as it is mounted.
"""

import errno
import struct

from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.host.files import BYTES
from nvkeep.probes.io import does_io
from nvkeep.probes.mountinfo import Entry

EXT4 = "/sys/fs/ext4"
EXT_TYPES = frozenset({"ext2", "ext3", "ext4"})
WORDS = {"emergency_ro": "it writes no more since an error (emergency_ro)", "shutdown": "it was shut down (shutdown)"}
TOLERATED = "errors=continue"  # who writes that wants it mounted, whatever is wrong
READ_TIMEOUT_S = 2.0
MOUNTED_AT, MOUNTED_AT_HIGH, MAGIC_AT, MAGIC = 0x2C, 0x275, 0x38, 0xEF53  # of the superblock of ext4, in bytes


def trouble(host: Host, entry: Entry, device: str, asked: tuple[str, ...]) -> str:
    """Say what is wrong with a mounted file system, in the kernel's words; empty when nothing is.

    Where its device does no I/O, that is the volume's trouble, and is seen there. Raises ProbeError.
    """
    words = _words(host, entry, device, asked)
    return words if words and does_io(host, device) else ""


def _words(host: Host, entry: Entry, device: str, asked: tuple[str, ...]) -> str:
    flags = [words for flag, words in WORDS.items() if flag in entry.options | entry.super_options]
    if flags:
        return f"{flags[0]}; dmesg | tail"
    if entry.fstype == "xfs" and _shut_down(host, entry.path):
        return "it was shut down (Input/output error); dmesg | tail"
    return _errors(host, entry, device) if entry.fstype in EXT_TYPES and TOLERATED not in asked else ""


def _shut_down(host: Host, path: str) -> bool:
    try:
        host.device_of(path)
    except OSError as error:
        return error.errno == errno.EIO
    return False


def _errors(host: Host, entry: Entry, device: str) -> str:
    """Say how many errors were counted, where the last of them is younger than the mount."""
    top = f"{EXT4}/{(host.link_target(f'/sys/dev/block/{entry.device}') or '').rpartition('/')[2]}"
    count = _number(host, f"{top}/errors_count")
    if not count or _number(host, f"{top}/last_error_time") <= _mounted_at(host, device):
        return ""
    where = f"{_word(host, f'{top}/last_error_func')}:{_word(host, f'{top}/last_error_line')}"
    return f"the kernel has counted {count} errors, the last in {where}; dmesg | grep EXT4-fs"


def _mounted_at(host: Host, device: str) -> int:
    """Give the time of the last mount, in seconds since 1970; 0 where the superblock cannot be read."""
    try:
        done = host.run(("dd", f"if={device}", "bs=1024", "skip=1", "count=1", "status=none"), READ_TIMEOUT_S)
    except NvkeepError:
        return 0
    block = done.out.encode(errors=BYTES)
    if done.code or len(block) <= MOUNTED_AT_HIGH or struct.unpack_from("<H", block, MAGIC_AT) != (MAGIC,):
        return 0
    return int(struct.unpack_from("<I", block, MOUNTED_AT)[0]) + (block[MOUNTED_AT_HIGH] << 32)


def _number(host: Host, path: str) -> int:
    word = _word(host, path)
    return int(word) if word.isascii() and word.isdigit() else 0


def _word(host: Host, path: str) -> str:
    try:
        return host.read(path).strip()
    except OSError:
        return ""
