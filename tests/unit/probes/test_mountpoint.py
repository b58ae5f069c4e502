"""Where a file system would be mounted: /etc/fstab, mount units, the directory, and the types the kernel knows."""

import pytest

from nvkeep.errors import ProbeError
from nvkeep.probes import filesystems, fstab, mountpoint
from nvkeep.probes.mountpoint import Place
from tests.unit.played import Played

MOUNTS = "/proc/self/mountinfo"
ROOT = "22 1 8:0 / / rw,relatime - ext4 /dev/sda1 rw\n"
KERNEL = {filesystems.KNOWN: "nodev\tproc\n\text4\nnodev\tnfs\n", filesystems.RELEASE: "6.1.0\n"}


@pytest.mark.parametrize(
    ("path", "device", "line"),
    [("/srv/pg", "/dev/x", 0), ("/srv/nfs", "/dev/x", 3), ("/srv/with space", "/dev/x", 4), ("/srv/pg", "/dev/sdb1", 3),
     ("/srv/old", "/dev/x", 0)],
)  # fmt: skip
def test_the_line_of_fstab(path: str, device: str, line: int) -> None:
    text = "# /etc/fstab\n#/dev/sdc1 /srv/old xfs\n/dev/sdb1\t/srv/nfs xfs noauto 0 0\nUUID=7 /srv/with\\040space ext4\nalone\n"
    host = Played(files={fstab.TABLE: text})
    assert fstab.line_for(host, path, device) == line  # type: ignore[arg-type]  # as much of a Host as is asked


def test_no_fstab_is_an_empty_one() -> None:
    assert fstab.line_for(Played(), "/srv/nfs", "/dev/x") == 0  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("path", "name"),
    [("/srv/nfs", "srv-nfs"), ("/srv/a-b", "srv-a\\x2db"), ("/srv/a b", "srv-a\\x20b"), ("/srv/.x", "srv-.x"), ("/", "-"),
     ("/srv/ä", "srv-\\xc3\\xa4")],
)  # fmt: skip
def test_a_path_is_escaped_as_systemd_does(path: str, name: str) -> None:
    assert fstab.escaped(path) == name


@pytest.mark.parametrize("pull", ["local-fs.target.wants", "data.service.requires"])
@pytest.mark.parametrize("kind", ["mount", "automount"])
def test_an_enabled_mount_unit(pull: str, kind: str) -> None:
    host = Played(files={f"/etc/systemd/system/{pull}/srv-nfs.{kind}": ""})
    assert fstab.unit_for(host, "/srv/nfs") == f"srv-nfs.{kind}"  # type: ignore[arg-type]  # as above
    assert fstab.unit_for(host, "/srv/pg") == ""  # type: ignore[arg-type]  # as above


def test_a_mount_unit_that_nothing_pulls_in_is_not_enabled() -> None:
    host = Played(files={"/etc/systemd/system/srv-nfs.mount": ""})
    assert fstab.unit_for(host, "/srv/nfs") == ""  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("host", "place"),
    [
        (Played(files={MOUNTS: ROOT}), Place(there=False)),
        (Played(files={MOUNTS: ROOT}, ro="read-only"), Place(there=False, unwritable="read-only")),
        (Played(files={MOUNTS: ROOT}, empty={"/srv/nfs"}, ro="read-only"), Place()),
        (Played(files={MOUNTS: ROOT, "/srv/nfs/a": "", "/srv/nfs/b": ""}), Place(names=2)),
        (Played(files={MOUNTS: ROOT, "/srv/nfs": ""}), Place(names=None)),
        (Played(files={MOUNTS: ROOT}, links={"/srv": "/data"}), Place(link="/srv")),
        (Played(files={MOUNTS: f"{ROOT}30 22 8:1 / /srv/nfs rw - xfs /dev/sdb1 rw\n", "/srv/nfs/a": ""}), Place(mounted=True)),
    ],
)
def test_the_directory(host: Played, place: Place) -> None:
    assert mountpoint.read(host, "/srv/nfs") == place  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("fstype", "files", "known"),
    [
        ("ext4", {}, True),
        ("xfs", {"/lib/modules/6.1.0/modules.dep": "kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz\n"}, True),
        ("ext2", {"/lib/modules/6.1.0/modules.dep": "", "/lib/modules/6.1.0/modules.alias": "alias fs-ext2 ext4\n"}, True),
        ("xfs", {"/lib/modules/6.1.0/modules.dep": "kernel/fs/nfs/nfs.ko:\n"}, False),
        ("nfs", {}, False),  # the kernel has it, and cannot mount it alone
        ("nfs", {"/sbin/mount.nfs": ""}, True),
    ],
)
def test_a_type_of_file_system(fstype: str, files: dict[str, str], known: bool) -> None:
    assert filesystems.known(Played(files=KERNEL | files), fstype) is known  # type: ignore[arg-type]  # as above


def test_where_there_are_no_modules_to_look_in_nothing_is_told() -> None:
    with pytest.raises(ProbeError, match=r"the kernel has not loaded it, and /lib/modules/6\.1\.0/modules\.dep cannot be read"):
        filesystems.known(Played(files=dict(KERNEL)), "xfs")  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    "line",
    [
        "UUID=ab /srv/pg/ xfs",
        "/dev/x //srv/pg xfs",
        "/dev/x /srv/./a/../pg xfs",
        'UUID="ab-1" /mnt xfs',
        "LABEL=my\\040disk /mnt xfs",
        "/dev/disk/by-id/one /mnt xfs",
    ],
)
def test_the_same_place_or_device_by_another_name(line: str) -> None:
    number = "259:1"
    names = ("/dev/nvmesh/vol", "/dev/disk/by-uuid/ab-1", "/dev/disk/by-label/my\\x20disk", "/dev/disk/by-id/one")
    host = Played(files={fstab.TABLE: f"{line} defaults 0 0\n"}, devices=dict.fromkeys(names, number))
    assert fstab.line_for(host, "/srv/pg", "/dev/nvmesh/vol") == 1  # type: ignore[arg-type]  # as above


def test_another_device_is_not_taken_for_it() -> None:
    host = Played(files={fstab.TABLE: "UUID=other /mnt xfs\n"}, devices={"/dev/nvmesh/vol": "259:1"})
    assert fstab.line_for(host, "/srv/pg", "/dev/nvmesh/vol") == 0  # type: ignore[arg-type]  # as above
