"""A file system that is mounted and cannot be relied on: what the kernel says of it, and what is done about it."""

import struct

import pytest

from nvkeep.errors import ProbeError
from nvkeep.host import Completed
from nvkeep.model.mounts import Bind, Mount
from nvkeep.probes import mountinfo
from nvkeep.probes.io import READ, alone
from nvkeep.reconcilers.mount import MountAsk, MountKind, MountState
from tests.unit.played import Played

KIND = MountKind()
DEVICE, PATH = "/dev/nvmesh/vol1", "/srv/pg"
ROOT = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
LINE = "30 22 259:1 / /srv/pg rw,relatime shared:2 - ext4 /dev/nvmesh/vol1 rw,errors=remount-ro"
EXT4 = "/sys/fs/ext4/vol1"
DIRECT = alone("/sys/dev/block/259:1", (*READ, f"if={DEVICE}"))
READ_BLOCK = ("dd", f"if={DEVICE}", "bs=1024", "skip=1", "count=1", "status=none")


def ask(fstype: str = "ext4", *options: str) -> MountAsk:
    return MountAsk(Mount(volume="vol1", path=PATH, fstype=fstype, options=options), DEVICE)


def host(table: str, **files: str) -> Played:
    played = Played(files={mountinfo.TABLE: table} | {f"{EXT4}/{name}": text for name, text in files.items()})
    played.devices[DEVICE] = "259:1"
    played.links["/sys/dev/block/259:1"] = "../../devices/virtual/block/vol1"
    played.said[DIRECT] = Completed(DIRECT, 0, "", "")
    return played


def observed(table: str, asked: MountAsk | None = None, **files: str) -> MountState | None:
    return KIND.observe(host(ROOT + table, **files), asked or ask())  # type: ignore[arg-type]  # as much as is asked


@pytest.mark.parametrize(
    ("flag", "words"), [("emergency_ro", "it writes no more since an error (emergency_ro)"), ("shutdown", "it was shut down")]
)
def test_a_file_system_that_writes_no_more_needs_a_fresh_start(flag: str, words: str) -> None:
    have = observed(f"{LINE},{flag}\n")
    assert have is not None
    assert have != KIND.desired(ask())
    assert words in KIND.broken(ask(), have)
    assert KIND.adjust(ask(), have) is None


def test_a_device_that_does_no_io_is_the_volumes_trouble() -> None:
    played = host(f"{ROOT}{LINE},emergency_ro\n")
    played.said[DIRECT] = Completed(DIRECT, 1, "", "dd: Input/output error")
    assert KIND.observe(played, ask()) == KIND.desired(ask())  # type: ignore[arg-type]  # as much as is asked


def test_one_that_is_well_is_in_sync() -> None:
    assert observed(f"{LINE}\n") == KIND.desired(ask())


def test_one_that_went_read_only_says_so() -> None:
    have = observed(LINE.replace("rw,errors", "ro,errors") + "\n")
    assert have is not None
    assert KIND.broken(ask(), have) == "it is read-only by now; dmesg | tail"


def block(mounted: int) -> str:
    data = bytearray(1024)
    struct.pack_into("<I", data, 0x2C, mounted)
    struct.pack_into("<H", data, 0x38, 0xEF53)
    return bytes(data).decode(errors="surrogateescape")


COUNTED = {
    "errors_count": "3\n",
    "last_error_time": "1700000500\n",
    "last_error_func": "ext4_lookup\n",
    "last_error_line": "1858\n",
}


@pytest.mark.parametrize(("mounted", "options", "broken"), [
    (1700000000, (), True), (1700000900, (), False), (1700000000, ("errors=continue",), False),
])  # fmt: skip
def test_errors_count_that_came_after_the_mount(mounted: int, options: tuple[str, ...], broken: bool) -> None:
    played = host(f"{ROOT}{LINE}\n", **COUNTED)
    played.said[READ_BLOCK] = Completed(READ_BLOCK, 0, block(mounted), "")
    have = KIND.observe(played, ask("ext4", *options))  # type: ignore[arg-type]  # as above
    assert have is not None
    words = "the kernel has counted 3 errors, the last in ext4_lookup:1858; dmesg | grep EXT4-fs"
    assert KIND.broken(ask(), have) == (words if broken else "")


def test_a_superblock_that_cannot_be_read_excuses_no_error() -> None:
    have = observed(f"{LINE}\n", ask(), **COUNTED)
    assert have is not None
    assert "3 errors" in KIND.broken(ask(), have)


def test_an_xfs_that_was_shut_down_answers_with_eio() -> None:
    played = host(ROOT + LINE.replace("ext4", "xfs") + "\n")
    assert KIND.observe(played, ask("xfs")) == KIND.desired(ask("xfs"))  # type: ignore[arg-type]  # as above
    played.shut_down.add(PATH)
    have = KIND.observe(played, ask("xfs"))  # type: ignore[arg-type]  # as above
    assert have is not None
    assert "shut down" in KIND.broken(ask("xfs"), have)


def test_one_that_another_mount_hides_is_named_with_what_makes_it_seen() -> None:
    with pytest.raises(
        ProbeError, match=r"/srv/pg is mounted, but out of reach: tmpfs is mounted over it, at /srv; umount /srv"
    ):
        observed(f"{LINE}\n40 22 0:44 / /srv rw - tmpfs t rw\n")


def test_mounts_around_it_hide_nothing() -> None:
    around = "25 22 0:44 / /srv rw - tmpfs t rw\n" + LINE.replace("30 22", "30 25") + "\n"
    assert observed(around) == KIND.desired(ask())
    beside = "26 22 0:45 / /srv/pgx rw - tmpfs t rw\n" + LINE + "\n"
    assert observed(beside) == KIND.desired(ask())


BTRFS = "30 22 0:45 {} /srv/pg rw,relatime shared:2 - btrfs {} rw,space_cache=v2,subvolid=256,subvol={}\n"


@pytest.mark.parametrize(
    ("root", "source", "options", "right"),
    [("/", DEVICE, (), True), ("/data", DEVICE, ("subvol=data",), True), ("/@data", DEVICE, ("subvol=@data",), True),
     ("/data", DEVICE, (), True), ("/data", DEVICE, ("subvol=other",), False), ("/", "/dev/sdz", (), False)],
)  # fmt: skip
def test_btrfs_is_known_by_its_source_and_its_subvolume(root: str, source: str, options: tuple[str, ...], right: bool) -> None:
    asked = ask("btrfs", *options)
    assert (observed(BTRFS.format(root, source, root), asked) == KIND.desired(asked)) is right


BIND = MountAsk(Bind(volume="vol1", path="/var/lib/nfs", from_="nfs/state"), DEVICE, beside=(PATH,), outer=PATH)
BOUND = "31 22 259:1 {} /var/lib/nfs rw,relatime shared:3 - ext4 /dev/nvmesh/vol1 rw\n"


@pytest.mark.parametrize(("root", "right"), [("/nfs/state", True), ("/nfs/other", False), ("/", False)])
def test_a_bind_mount_shows_the_directory_asked_for(root: str, right: bool) -> None:
    assert (observed(f"{LINE}\n{BOUND.format(root)}", BIND) == KIND.desired(BIND)) is right


def test_a_bind_mount_is_made_of_the_mounted_volume() -> None:
    (step,) = KIND.acquire(BIND)
    assert str(step) == "mount -t none -o bind,_netdev,X-mount.mkdir /srv/pg/nfs/state /var/lib/nfs"
    assert observed(f"{LINE}\n", BIND) is None


def test_a_mount_may_take_as_long_as_a_step() -> None:
    """Multi-mount protection waits for 44 s after a crash, and begins anew when it is killed."""
    (step,) = KIND.acquire(ask())
    assert step.timeout == float("inf")
    late = KIND.judge(ask(), Completed(step.argv, 124, "", "no end after 60 s; killed"))
    assert "timing: {step: 300}" in str(late)
