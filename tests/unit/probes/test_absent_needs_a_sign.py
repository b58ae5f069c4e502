"""What is cut short, of another shape, or contradicts itself is unknown: never "absent", never "nobody"."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvkeep.errors import ProbeError
from nvkeep.host.text import first, last, lines, load
from nvkeep.probes import address, drbd, fstab, mountinfo, nvme, nvmesh, scsi, unit, witness
from nvkeep.unmount import processes
from tests.golden.output import OUTPUT, captured

ENDS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # where str.splitlines ends a line as well
MOUNTS = (
    "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
    "30 22 0:45 / /tmp/{} rw shared:7 - tmpfs t rw\n"
    "40 22 252:0 / /srv/nfs rw,noatime - xfs /dev/nvmesh/nfs rw\n"
)
LINKS = (
    '[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"label":"lo"}]},'
    '{"ifname":"eth0","addr_info":[{"family":"inet","local":"10.0.0.9","prefixlen":24,"label":"eth0"}]}]'
)
STATUS = (
    '{"name":"v","type":"visible","status":"Live, with IO","dbg":"0x200","reservation":"EXCLUSIVE_READ_WRITE","io_enabled":1}'
)
UNIT = "LoadState=loaded\nActiveState=active\nSubState=running\n"


def outputs(tool: str, start: str) -> list[str]:
    """Give what a tool really printed where it could be asked."""
    names = sorted(path.stem for path in (OUTPUT / tool).glob(f"{start}*.json"))
    return [done.out for name in names if not (done := captured(tool, name)).code]


PARSERS: dict[str, tuple[Callable[[str], Any], list[str]]] = {
    "nvme": (nvme.parse, outputs("nvme", "report")),
    "nvme 1": (nvme.parse_text, outputs("nvme-1", "report")),
    "scsi holder": (scsi.parse_holder, outputs("scsi", "read-reservation")),
    "scsi keys": (scsi.parse_keys, [*outputs("scsi", "read-keys"), *outputs("scsi", "mpath-read-keys")]),
    "drbd": (lambda text: drbd.parse(text, "r0"), outputs("drbd", "events")),
    "addresses": (address.parse, [LINKS]),
    "nvmesh": (nvmesh.parse, [STATUS]),
    "unit": (unit.parse, [UNIT]),
    "mounts": (mountinfo.parse, [MOUNTS.format("x")]),
}
REAL = [(name, text) for name, (_, texts) in PARSERS.items() for text in texts]


def read(name: str, text: str) -> Any:  # noqa: ANN401 - each parser gives its own
    """Parse; None where that is refused with the one exception a probe may raise."""
    try:
        return PARSERS[name][0](text)
    except ProbeError:
        return None


@pytest.mark.parametrize(("name", "text"), REAL)
def test_what_is_cut_short_is_never_another_answer(name: str, text: str) -> None:
    whole = read(name, text)
    for end in range(len(text.rstrip())):
        if name == "mounts" and text[:end].endswith("\n"):
            continue  # the kernel gives whole lines, and says when there are no more
        if name == "unit" and text[:end].count("=") == len(lines(UNIT)):
            continue  # a shorter word of the last line, which says nothing of whether it runs
        assert read(name, text[:end]) in (None, whole), text[:end]


@given(st.sampled_from(REAL), st.data())
def test_whatever_is_put_in_only_a_probe_error_comes_out(real: tuple[str, str], data: st.DataObject) -> None:
    name, text = real
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 8)))
    read(name, text[:at] + data.draw(st.text(max_size=6)) + text[until:])


@given(st.text())
def test_whatever_a_process_is_called_it_ends_nothing(text: str) -> None:
    processes.mapped(text, frozenset({"252:0"}))
    processes.mount_of(text)
    processes.unit_of(text)
    list(fstab.parse(text))


@pytest.mark.parametrize("end", ENDS)
def test_a_strange_name_of_others_costs_nothing(end: str) -> None:
    entries = mountinfo.parse(MOUNTS.format(f"a{end}b"))
    assert [entry.path for entry in entries] == ["/", f"/tmp/a{end}b", "/srv/nfs"]


def test_a_line_of_others_that_is_not_understood_costs_that_line() -> None:
    text = MOUNTS.format("x") + "what is this\n"
    assert len(mountinfo.parse(text, "/srv/nfs", "252:0")) == 3
    with pytest.raises(ProbeError, match="cannot parse the line"):
        mountinfo.parse(text + "41 22 252:0 /srv/nfs\n", "/srv/nfs", "252:0")


def test_a_table_that_is_cut_short_is_none() -> None:
    for text in ("", MOUNTS.format("x")[:-1]):
        with pytest.raises(ProbeError, match="is cut short"):
            mountinfo.parse(text)


@pytest.mark.parametrize("end", ENDS)
def test_a_mapped_file_says_only_what_the_kernel_says_of_it(end: str) -> None:
    maps = f"7f00-7f01 r-xp 00000000 08:01 12 /tmp/x{end}0-1 r-xp 0 fc:00 1 /srv/nfs/evil\n"
    assert processes.mapped(maps, frozenset({"252:0"})) == ""
    assert processes.mapped(maps, frozenset({"8:1"})) == f"/tmp/x{end}0-1 r-xp 0 fc:00 1 /srv/nfs/evil"


CONTRADICTIONS = {
    "another key": '{"gen":1,"rtype":1,"regctl":1,"ptpls":0,"regctls":[{"rcsts":1,"rkey":5}]}',
    "cut at one page": '{"gen":1,"rtype":1,"regctl":2,"ptpls":0,"regctlext":[]}',
    "no holder": '{"gen":1,"rtype":5,"regctl":1,"ptpls":0,"regctlext":[{"rcsts":0,"rkey":5}]}',
    "a holder of nothing": '{"gen":1,"rtype":0,"regctl":1,"ptpls":0,"regctlext":[{"rcsts":1,"rkey":5}]}',
    "two that hold alone": '{"gen":1,"rtype":1,"regctl":2,"regctlext":[{"rcsts":1,"rkey":5},{"rcsts":1,"rkey":6}]}',
    "a number without end": '{"gen":1,"rtype":1e400,"regctl":0,"ptpls":0,"regctlext":[]}',
    "brackets without end": "[" * 100_000,
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_reservation_report_that_contradicts_itself_is_unknown(what: str) -> None:
    with pytest.raises(ProbeError):
        nvme.parse(CONTRADICTIONS[what])


TEXT = "\ngen       : 4\nrtype     : {}\nregctl    : {}\nptpls     : 0\n{}"
REGISTRANT = "regctlext[0] :\n  cntlid     : ffff\n  rcsts      : {}\n  rkey       : 5\n  hostid     : 0\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.format(1, 2, REGISTRANT.format(1)),
        TEXT.format(5, 1, REGISTRANT.format(0)),
        TEXT.format(0, 1, REGISTRANT.format(1)),
        TEXT.format(1, 2, 2 * REGISTRANT.format(1)),
        TEXT.format(1, 1, REGISTRANT.format(1)).replace("regctlext", "registrantext"),
    ],
)
def test_a_report_of_nvme_1_that_contradicts_itself_is_unknown(text: str) -> None:
    with pytest.raises(ProbeError):
        nvme.parse_text(text)


@pytest.mark.parametrize(
    "text",
    ["  PR generation=0x6, Reservation follows:\n    Key=0x0\n    scope: LU_SCOPE,  type: Write Exclusive, all registrants\n"],
)
def test_a_reservation_that_all_registrants_hold_is_not_nobodys(text: str) -> None:
    with pytest.raises(ProbeError):
        scsi.parse_holder(text)


def test_fewer_keys_than_are_announced_are_unknown() -> None:
    with pytest.raises(ProbeError):
        scsi.parse_keys("  PR generation=0x6, 3 registered reservation keys follow:\n    0xa\n")


@pytest.mark.parametrize("text", ["[]", "[{}]", '[{"mtu":1500}]'])
def test_a_host_without_an_interface_is_no_answer(text: str) -> None:
    with pytest.raises(ProbeError):
        address.parse(text)


@pytest.mark.parametrize("state", ["", "on fire", "act"])
def test_a_state_that_systemd_does_not_have_is_unknown(state: str) -> None:
    with pytest.raises(ProbeError):
        unit.parse(UNIT.replace("=active", f"={state}"))


def test_lines_are_what_line_feeds_cut() -> None:
    assert lines(f"a{ENDS}b\n\nc") == [f"a{ENDS}b", "", "c"]
    assert lines("a\n") == ["a"]
    assert lines("") == []
    assert first("\n", " x \ny") == "x"
    assert last("x\ny\n", "\n") == "y"
    assert first("") == last() == "no message"


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1e999", "[" * 100_000])
def test_json_without_end_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|deeply"):
        load(text)


def test_routes_of_another_shape_are_none() -> None:
    assert list(witness._gateways_4([["Iface"], ["eth0", "00000000"], []])) == []
