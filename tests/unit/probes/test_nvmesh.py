"""status.json of NVMesh's client, of both generations of writers."""

import json
from typing import Any

import pytest

from nvkeep.errors import ProbeError
from nvkeep.probes.nvmesh import EXCLUSIVE, Entry, parse

OLD = """\
{ "name": "nfsvolume", "uuid": "5a3c",
"type": "visible",  "type_num": "0x0",
 "attach_status": "Attached", "reservation": "EXCLUSIVE_READ_WRITE", "reservation_version": "0x2",
 "preempt": "No", "RVMS": "0x2", "status": "Live, with IO", "dbg": "0x200", "io_enabled": 1 }
"""
NEW = """ {
    "name": "nfsvolume",
    "type": "visible",
    "attach_status": "Attached",
    "reservation": "EXCLUSIVE_READ_WRITE",
    "reservation_version": 2,
    "RVMS": 2,
    "status": "Live, with IO",
    "dbg": 512,
    "io_enabled": true
}
"""
OLDEST = '{"name": "v", "reservation": "EXCLUSIVE_READ_WRITE", "status": "Live, with IO", "dbg": "0x200"}'
WELL = Entry(EXCLUSIVE, 2, io=True, preempted=False, detaching=False, status="Live, with IO")


def changed(**changes: Any) -> Entry:  # noqa: ANN401 - JSON
    """Parse the newer file with some keys changed; None takes a key away."""
    whole = {**json.loads(NEW), **changes}
    found = parse(json.dumps({key: value for key, value in whole.items() if value is not None}))
    assert found is not None
    return found


@pytest.mark.parametrize("text", [OLD, NEW], ids=["hand-written", "serializer"])
def test_both_generations_say_the_same(text: str) -> None:
    assert parse(text) == WELL


def test_a_client_without_the_newer_keys() -> None:
    assert parse(OLDEST) == Entry(EXCLUSIVE, None, io=True, preempted=False, detaching=False, status="Live, with IO")


@pytest.mark.parametrize(
    ("changes", "io"),
    [
        ({"status": "Live, with IO, no protection"}, True),
        ({"status": "Live, User Requested Read-Only"}, False),
        ({"status": "Live, Degraded Read-Only", "dbg": 0x293}, False),
        ({"status": "Live, Only recovery", "dbg": 0x291}, False),
        ({"status": "Live, no IO, partial Error", "dbg": 0x2A1}, False),
        ({"status": "Live, no IO, Error", "dbg": "0x211"}, False),
        ({"status": "Booting, no IO", "dbg": 0x180, "attach_status": "Attaching"}, False),
        ({"status": "Suspending, no IO", "dbg": "0x280"}, False),
        ({"dbg": 0x201}, False),
        ({"io_enabled": 0}, False),
        ({"io_enabled": False}, False),
        ({"io_enabled": "0x1"}, True),
        ({"attach_status": "Attaching"}, False),
        ({"status": "live, with io"}, False),
    ],
)
def test_whether_reads_and_writes_work(changes: dict[str, Any], io: bool) -> None:
    assert changed(**changes).io is io


@pytest.mark.parametrize(
    "changes",
    [
        {"attach_status": "Preempted", "dbg": "0x1092"},
        {"status": "Reservation Preempted, Only recovery"},
        {"RVMS": 3},
        {"RVMS": "0x3"},
        {"dbg": 0x1092},
        {"dbg": "0x1000"},
    ],
)
def test_each_sign_of_preemption_alone_is_enough_and_ends_io(changes: dict[str, Any]) -> None:
    seen = changed(**changes)
    assert seen.preempted
    assert not seen.io


@pytest.mark.parametrize("changes", [{}, {"RVMS": 1}, {"RVMS": None}, {"reservation_version": None}, {"dbg": 0x200}])
def test_what_is_no_preemption(changes: dict[str, Any]) -> None:
    assert not changed(**changes).preempted


@pytest.mark.parametrize(
    "changes",
    [
        {"attach_status": "Detaching", "dbg": 0x400},
        {"attach_status": "DetUpging", "dbg": "0xC00"},
        {"status": None},
        {"dbg": None},
        {"status": None, "dbg": None, "attach_status": None, "reservation": None, "RVMS": None, "io_enabled": None},
    ],
)
def test_a_volume_being_detached(changes: dict[str, Any]) -> None:
    seen = changed(**changes)
    assert seen.detaching
    assert not seen.io


def test_a_missing_reservation_is_unknown_never_exclusive() -> None:
    assert changed(reservation=None).reservation is None


@pytest.mark.parametrize("changes", [{"type": "hidden"}, {"reservation": "Recovery Only"}])
def test_an_attachment_of_nvmesh_itself_is_none_of_ours(changes: dict[str, Any]) -> None:
    assert parse(json.dumps({**json.loads(NEW), **changes})) is None


def test_every_truncation_is_unknown_not_absent() -> None:
    for text in (OLD.strip(), NEW.strip()):
        for end in range(len(text)):
            with pytest.raises(ProbeError):
                parse(text[:end])


@pytest.mark.parametrize("text", ["", "[]", "7", "null", '"x"', '{"dbg": "zero", "status": "Live, with IO"}', "\0" * 40])
def test_anything_else_is_unknown_not_absent(text: str) -> None:
    with pytest.raises(ProbeError, match="not the status of a volume"):
        parse(text)
