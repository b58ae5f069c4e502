"""/proc/self/mountinfo as the kernel writes it."""

from pathlib import Path

import pytest

from nvkeep.errors import ProbeError
from nvkeep.probes.mountinfo import TABLE, Entry, parse

ROOT = "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro"
PLAIN = "40 22 252:0 / /mnt/nfsexport rw,noatime - xfs /dev/nvmesh/nfsvolume rw,attr2,inode64"


def one(line: str) -> Entry:
    (entry,) = parse(f"{line}\n")
    return entry


def test_a_plain_line() -> None:
    assert one(PLAIN) == Entry(
        "252:0",
        "/",
        "/mnt/nfsexport",
        frozenset({"rw", "noatime"}),
        "xfs",
        "/dev/nvmesh/nfsvolume",
        frozenset({"rw", "attr2", "inode64"}),
    )


@pytest.mark.parametrize("optional", ["", "shared:1 ", "shared:1 master:2 ", "shared:1 master:2 propagate_from:3 unbindable "])
def test_optional_fields_end_at_the_dash(optional: str) -> None:
    assert one(f"40 22 252:0 / /srv/a rw {optional}- xfs /dev/x rw").source == "/dev/x"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (r"/srv/a\040b", "/srv/a b"),
        (r"/srv/tab\011", "/srv/tab\t"),
        (r"/srv/line\012break", "/srv/line\nbreak"),
        (r"/srv/back\134slash", "/srv/back\\slash"),
        (r"/srv/back\134040", "/srv/back\\040"),
        ("/srv/a-b", "/srv/a-b"),
        ("/srv/é", "/srv/é"),
    ],
)
def test_octal_escapes(written: str, path: str) -> None:
    assert one(f"40 22 252:0 {written} {written} rw - xfs {written} rw") == Entry(
        "252:0", path, path, frozenset({"rw"}), "xfs", path, frozenset({"rw"})
    )


def test_a_path_with_a_dash_between_spaces_is_escaped_and_does_not_end_the_fields() -> None:
    assert one(r"40 22 252:0 / /srv/a\040-\040b rw - xfs /dev/x rw").path == "/srv/a - b"


def test_a_bind_mount_tells_its_root() -> None:
    assert one("41 22 252:0 /exports /srv/bind rw - xfs /dev/nvmesh/nfsvolume rw").root == "/exports"


def test_mounts_on_top_of_each_other_keep_their_order() -> None:
    found = parse(f"{PLAIN}\n99 40 0:50 / /mnt/nfsexport rw - tmpfs tmpfs rw\n")
    assert [entry.fstype for entry in found] == ["xfs", "tmpfs"]


def test_a_read_only_super_block_is_seen() -> None:
    assert "ro" in one("40 22 252:0 / /srv/a rw - ext4 /dev/x ro,norecovery").super_options


def test_an_empty_source_keeps_its_field() -> None:
    assert one("40 22 0:44 / /srv/a rw - overlay  rw").source == ""


@pytest.mark.parametrize("line", ["nonsense", PLAIN.replace(" - ", " "), "40 22 252:0 / - xfs /dev/x rw"])
def test_a_line_of_ours_of_another_shape_is_unknown_not_absent(line: str) -> None:
    ours = (line.split(" ", maxsplit=1)[0],)
    with pytest.raises(ProbeError, match=TABLE):
        parse(f"{PLAIN}\n{line}\n", *ours)
    assert len(parse(f"{PLAIN}\n{line}\n", "/srv/another")) == 1


def test_the_table_of_this_machine_parses() -> None:
    found = parse(Path(TABLE).read_text())
    assert "/" in {entry.path for entry in found}
    assert all(":" in entry.device for entry in found)
