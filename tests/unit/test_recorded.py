"""What a tool says in a machine is compared with what is kept: all of it, but for the few numbers that count on."""

import json
from subprocess import CompletedProcess

import pytest

from tests.machines import golden
from tests.machines.golden import keep

COUNTED = {  # differs from one run to the next, and means nothing: recording, what stands in it, what it may be as well
    "nvme/report-held-by-me": ('"gen":4', '"gen":71'),
    "scsi/read-keys-held": ("generation=0x6", "generation=0x1f"),
    "scsi/mpath-read-keys-held": ("generation=0x5", "generation=0x9"),
    "scsi/read-full-status-held": ("0x00023d000001", "0x00023d000004"),
    "drbd/proc-secondary": ("ns:0 nr:0 dw:0 dr:0 al:8", "ns:512 nr:64 dw:576 dr:2104 al:9"),
    "drbd/events-standalone": ("connection:StandAlone", "conn-name:peer connection:Connecting"),
    "drbd/events-peer-standalone": ("connection:StandAlone", "conn-name:peer connection:Connecting"),
}
MEANT = {  # this is what the report is for
    "nvme/report-held-by-me": ('"rcsts":1', '"rcsts":0'),
    "nvme/report-held-by-other": ('"rkey":10', '"rkey":12'),
    "nvme/report-free": ('"regctl":0', '"regctl":1'),
    "nvme/list-subsys": ('"State":"live"', '"State":"connecting"'),
    "nvme/acquire": ("Acquire success", "Acquire: success"),
    "scsi/read-keys-held": ("0xa", "0xc"),
    "scsi/read-keys-free": ("NO registered", "1 registered"),
    "scsi/read-reservation-held": ("registrants only", "all registrants"),
    "scsi/read-full-status-held": ("<< Reservation holder >>", "not reservation holder"),
    "scsi/capabilities": ("(PTPL_C): 1", "(PTPL_C): 0"),
    "drbd/events-primary-here": ("role:Primary", "role:Secondary"),
    "drbd/events-primary-suspended": ("suspended:fencing", "suspended:no"),
    "drbd/events-peer-down": ("connection:Connecting", "connection:StandAlone"),
    "drbd/events-seized": ("peer-disk:Outdated", "peer-disk:DUnknown"),
    "drbd/events-standalone": ("suspended:fencing", "suspended:no"),
    "drbd/status-rebooted-alone": ("disk:Consistent", "disk:UpToDate"),
    "drbd/proc-secondary": ("oos:0", "oos:4"),
    "drbd/version": ("9.22.0", "9.23.0"),
}


@pytest.fixture(autouse=True)
def _comparing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(golden.RECORD, raising=False)


def said_again(name: str, old: str = "", new: str = "") -> None:
    """Let a tool say what is kept, or with one word changed, and compare it."""
    kept = json.loads((golden.HERE / f"{name}.json").read_text())
    out = "\n".join(kept["out"])
    assert old in out
    done = CompletedProcess(kept["argv"], kept["code"], out.replace(old, new, 1) if old else out, "\n".join(kept["err"]))
    keep(name, kept["argv"], done)


def test_every_recording_is_as_itself() -> None:
    names = [str(path.relative_to(golden.HERE).with_suffix("")) for path in golden.HERE.rglob("*.json")]
    assert len(names) > 90
    for name in names:
        said_again(name)


@pytest.mark.parametrize("name", COUNTED)
def test_what_counts_on_makes_no_difference(name: str) -> None:
    said_again(name, *COUNTED[name])


@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant_makes_one(name: str) -> None:
    with pytest.raises(AssertionError, match=name):
        said_again(name, *MEANT[name])


def test_lines_more_or_less_make_one() -> None:
    for name in ("drbd/primary", "scsi/register"):
        kept = json.loads((golden.HERE / f"{name}.json").read_text())
        assert kept["out"] == []
        with pytest.raises(AssertionError, match=name):
            keep(name, kept["argv"], CompletedProcess(kept["argv"], kept["code"], "one line more\n", ""))
