"""`nvkeep import`: whatever the original's files say, a cluster.yaml that passes the check, or mistakes with their places."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nvkeep.cli import main
from nvkeep.config import parsing
from nvkeep.legacy import Imported, convert
from nvkeep.model.spec import derived_router_id

COUNTS = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
GOLDEN = Path(__file__).parents[2] / "golden" / "import"
CONF = (GOLDEN / "nfs.nvkeep_service.conf").read_text()
FSTAB = (GOLDEN / "nfs.fstab").read_text()
RICH, RICH_FSTAB = (GOLDEN / "everything.nvkeep_service.conf").read_text(), (GOLDEN / "everything.fstab").read_text()


def made(conf: str = CONF, fstab: str = FSTAB) -> Imported:
    return convert(("conf", conf), ("fstab", fstab))


def told(conf: str = CONF, fstab: str = FSTAB) -> list[str]:
    return [f"{one.at.file}:{one.at.line}: {one.text}" for one in made(conf, fstab).mistakes]


def feed(conf: str, fstab: str) -> None:
    """Assert that it is one or the other, and that every place is in its file."""
    found = made(conf, fstab)
    assert bool(found.text) != bool(found.mistakes)
    if found.text:
        parsing.parse(found.text)
    lines = {"conf": len(re.split("\r\n|[\n\r]", conf)), "fstab": len(fstab.split("\n"))}
    for one in (*found.mistakes, *found.notes):
        assert 1 <= one.at.line <= lines[one.at.file], one
        assert one.at.column >= 1
        assert one.text.isprintable(), one


def without(key: str) -> str:
    return "".join(line for line in CONF.splitlines(keepends=True) if not line.startswith(key))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('("ib0")', '("ib0" "ib1")', "conf:9: FLOATING_INTERFACES_HOST_A has 2 words and FLOATING_IPADDRS_HOST_A has 1 word; "),
        (
            '("192.168.0.1/24")',
            "()",
            "conf:9: FLOATING_INTERFACES_HOST_A has 1 word and FLOATING_IPADDRS_HOST_A has no words; ",
        ),
        (
            '("/mnt/nfsexport")',
            '("/mnt/nfs")',
            'conf:13: mountpoint "/mnt/nfs" is not in fstab; did you mean "/mnt/nfsexport"?',
        ),
        (
            '("nfsvolume")',
            '("nfs")',
            'conf:11: volume "nfs" is on no mountpoint of HOST_A, but mountpoint /mnt/nfsexport is on',
        ),
        ('("nfsvolume")', "()", 'fstab:1: volume "nfsvolume" of mountpoint /mnt/nfsexport is not in NVMESHVOLS_HOST_A; add'),
        ('("nfsvolume")', "()", "conf:11: NVMESHVOLS_HOST_A is empty; write its volumes, or leave the whole set empty"),
        ('="server02"', '="server01"', 'conf:2: "server01" is already HOSTNAME_HOST_A, and a pair has two hosts; '),
        (
            '="10.0.0.2"',
            '="10.0.0.1"',
            'conf:6: heartbeat address "10.0.0.1" is already used by host server01; write this host\'s own',
        ),
        (
            "192.168.0.1/24",
            "10.0.0.2/24",
            "conf:9: address 10.0.0.2 is the heartbeat of host server02; write an address that no",
        ),
        (
            "192.168.0.1/24",
            "192.168.0.1",
            'conf:9: "192.168.0.1" has no prefix length; write 192.168.0.1/24, with the prefix of',
        ),
        (
            "MOUNTPOINTS_HOST_A=",
            "MOUNTPOINT_HOST_A=",
            "conf:13: unknown key MOUNTPOINT_HOST_A; did you mean MOUNTPOINTS_HOST_A?",
        ),
        ('="server01"', "=(one two)", 'conf:1: HOSTNAME_HOST_A has 2 words; write one, as in HOSTNAME_HOST_A="server01"'),
        ('("nfs-server")', "($(ls))", "conf:15: a command in $( ): nothing is run here; write what it prints"),
        ("PINGHOSTS_HOST_A=()", "PINGHOSTS_HOST_A=(10.0.0.2)", "conf:17: address 10.0.0.2 is the heartbeat of host server02; "),
    ],
)
def test_a_mistake_is_named_at_its_line(old: str, new: str, line: str) -> None:
    assert CONF.count(old) == 1
    found = told(CONF.replace(old, new))
    assert [one for one in found if one.startswith(line)], found
    assert made(CONF.replace(old, new)).text == ""


@pytest.mark.parametrize("key", ["HOSTNAME", "STATIC_INTERFACE", "STATIC_IPADDR"])
def test_a_key_that_is_left_out_is_named(key: str) -> None:
    found = told(without(f"{key}_HOST_B"))
    assert len(found) == 1
    assert found[0].startswith(f"conf:1: {key}_HOST_B is missing; write {key}_HOST_B=")


def test_a_mistake_does_not_hide_another_one() -> None:
    found = told(
        CONF.replace('"server01"', "$(hostname -s)").replace("192.168.0.1/24", "nonsense"), FSTAB.replace("xfs", "auto")
    )
    assert [one.split(":")[:2] for one in found] == [["conf", "1"], ["conf", "9"], ["fstab", "1"]]


def test_the_same_label_on_both_hosts_is_kept_once() -> None:
    found = made(RICH, RICH_FSTAB)
    assert found.text.count('label: "ib0:1"') == 1
    assert [note.at.line for note in found.notes if "label ib0:1 left out" in note.text] == [14]


def test_two_services_never_share_a_virtual_router_id() -> None:
    conf = (
        RICH.replace("SERVICES_HOST_B=()", "SERVICES_HOST_B=(nfs-server)")
        .replace("=alpha", "=alpha103")
        .replace("beta", "delta2")
    )
    assert derived_router_id("alpha103-delta2", "postgresql-alpha103") == derived_router_id("alpha103-delta2", "nfs-delta2")
    cluster = parsing.parse(made(conf, RICH_FSTAB).text)
    assert len({cluster.router_id(name) for name in cluster.services}) == 2


@COUNTS
@given(st.integers(0, len(CONF)), st.integers(0, 20), st.text(max_size=5), st.integers(0, len(FSTAB)), st.text(max_size=3))
@example(0, 0, "", 0, "\\012")
@example(0, 0, "", 58, "/dev/nvmesh/a\\012b /x\\011y xfs a\\134b")
def test_any_damage_to_the_nfs_example(at: int, gone: int, text: str, fstab_at: int, more: str) -> None:
    feed(CONF[:at] + text + CONF[at + gone :], FSTAB[:fstab_at] + more + FSTAB[fstab_at:])


@COUNTS
@given(st.integers(0, len(RICH)), st.integers(0, 9), st.text(max_size=4), st.integers(0, len(RICH_FSTAB)), st.integers(0, 9))
def test_any_damage_to_a_rich_file(at: int, gone: int, text: str, fstab_at: int, fstab_gone: int) -> None:
    feed(RICH[:at] + text + RICH[at + gone :], RICH_FSTAB[:fstab_at] + RICH_FSTAB[fstab_at + fstab_gone :])


WORDS = """a b-1 eth0 eth0:1 10.0.0.1 10.0.0.2/24 fd00::1/64 /srv/a /srv/a/b / x.y
'' true 1e3 0x1 'a: b' '#' '"' \u00e9 '- x' nfs@1 .. 'a b'"""
VALUES = st.lists(st.sampled_from([word[0] for word in re.finditer(r"'[^']*'|\S+", WORDS)]), max_size=5)


@settings(COUNTS, max_examples=150)
@given(st.lists(VALUES, min_size=6, max_size=6), st.lists(st.sampled_from(["a", "b-1", "x.y", "true", "1e3"]), max_size=3))
def test_any_words_at_any_key(lists: list[list[str]], devices: list[str]) -> None:
    names = ("FLOATING_INTERFACES", "FLOATING_IPADDRS", "NVMESHVOLS", "MOUNTPOINTS", "SERVICES", "PINGHOSTS")
    keys = "".join(f"{name}_HOST_B=({' '.join(words)})\n" for name, words in zip(names, lists, strict=True))
    kept = "".join(line for line in CONF.splitlines(keepends=True) if "_HOST_B=()" not in line)
    feed(kept + keys, FSTAB + "".join(f"/dev/nvmesh/{name} /srv/{name} xfs {name} 0 1\n" for name in devices))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "nvkeep_service.conf").write_text(CONF)
    (tmp_path / "fstab").write_text(FSTAB)
    return tmp_path


def test_the_fstab_beside_the_conf_is_the_default(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(files / "nvkeep_service.conf")]) == 0
    assert "path: /mnt/nfsexport" in capsys.readouterr().out


def test_a_file_that_is_there_is_kept(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf, target = str(files / "nvkeep_service.conf"), files / "cluster.yaml"
    target.write_text("precious\n")
    assert main(["import", conf, "-o", str(target)]) == 1
    assert capsys.readouterr().err == f"nvkeep: {target} is there already; to replace it: nvkeep import --force -o {target}\n"
    assert target.read_text() == "precious\n"
    assert main(["import", conf, "-o", str(target), "--force"]) == 0
    assert f"{target}: written; 2 remarks at its top; next: nvkeep check -f {target}" in capsys.readouterr().out
    assert main(["check", "-f", str(target)]) == 0


def test_with_a_mistake_nothing_is_written(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "fstab").write_text(FSTAB.replace("nfsvolume", "volume"))
    assert main(["import", str(files / "nvkeep_service.conf"), "-o", str(files / "cluster.yaml")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f'{files}/nvkeep_service.conf:11:20: volume "nfsvolume" is on no mountpoint')
    assert not (files / "cluster.yaml").exists()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("nvkeep_service.conf", None, ":1:1: No such file or directory; name the files: nvkeep import CONF FSTAB"),
        ("fstab", None, ":1:1: No such file or directory; name the files: nvkeep import CONF FSTAB"),
        ("fstab", b"a\n\xff\n", ":2:1: not UTF-8; save the file as UTF-8"),
        ("nvkeep_service.conf", b"#" * 1048577, ":1:1: larger than 65536 bytes; "),
    ],
)
def test_a_file_that_cannot_be_read(
    files: Path, name: str, data: bytes | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / name).unlink()
    if data is not None:
        (files / name).write_bytes(data)
    assert main(["import", str(files / "nvkeep_service.conf")]) == 2
    assert capsys.readouterr().err.startswith(f"{files / name}{words}")


def test_a_place_that_cannot_be_written_is_told(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(files / "nvkeep_service.conf"), "-o", "/proc/x/cluster.yaml"]) == 1
    assert capsys.readouterr().err.startswith("nvkeep: /proc/x/cluster.yaml cannot be written: ")


def with_options(options: str) -> Imported:
    rows = [line.split() for line in FSTAB.splitlines() if line.strip() and not line.startswith("#")]
    return made(fstab="".join(f"{row[0]} {row[1]} {row[2]} {options} 0 0\n" for row in rows))


def test_of_options_that_cancel_each_other_the_last_is_carried_over() -> None:
    found = with_options("noatime,ro,relatime,rw")
    assert found.mistakes == ()
    assert "options: [relatime]" in found.text
    assert {note.text for note in found.notes} >= {
        "option noatime left out: relatime after it counts",
        "option ro left out: rw after it counts",
    }


@pytest.mark.parametrize("label", ["system_u:object_r:nfs_t:s0", "system_u:object_r:nfs_t:s0:c1,c2"])
def test_a_label_of_selinux_comes_without_its_quotes(label: str) -> None:
    found = with_options(f'noatime,context="{label}"')
    assert found.mistakes == ()
    (service,) = parsing.parse(found.text).services.values()
    assert service.mounts[0].options == ("noatime", f"context={label}")


def test_a_byte_order_mark_is_no_part_of_the_files() -> None:
    assert made("\ufeff" + CONF, "\ufeff" + FSTAB).text == made().text
