"""The history as it is on disk: what is torn, another's or too large costs its lines."""

import json
import logging
from pathlib import Path

import pytest

from nvkeep import log
from nvkeep.model.history import HISTORY, OLDER
from nvkeep.state import history
from tests.unit.model.test_history import entry
from tests.unit.played import Played

LINE = json.dumps(entry() | {"by": "nvkeep agent"})


def read(text: str, older: str = "", service: str = "") -> list[str]:
    host = Played(files={HISTORY: text, OLDER: older})
    return [found["id"] for found in history.read(host, service)]  # type: ignore[arg-type]  # as much of a Host as is asked


def test_entries_come_oldest_first_of_one_service_or_of_all() -> None:
    other = json.dumps(entry(id="aaaaaaaa", service="nfs") | {"by": "x"})
    name = entry()["id"]
    assert read(f"{LINE}\n", f"{other}\n") == ["aaaaaaaa", name]
    assert read(f"{LINE}\n{other}\n", service="nfs") == ["aaaaaaaa"]


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "[]", "7", LINE[:-20], LINE.replace('"line": 7', '"line": "7"'), LINE.replace('"steps": [', '"steps": [7, '),
        LINE.replace('"outage": 0.6', '"outage": "long"'), LINE.replace('"began": 105.0', '"began": NaN'),
        LINE.replace('"by"', '"B"'),
        LINE.replace('"settled": true', '"settled": 1'),
    ],
)  # fmt: skip
def test_a_line_that_is_none_costs_that_line(line: str) -> None:
    assert read(f"{line}\n{LINE}\n") == [entry()["id"]]


def test_a_full_history_becomes_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, older = tmp_path / "history", tmp_path / "older"
    monkeypatch.setattr(log, "HISTORY_BYTES", 100)
    monkeypatch.setattr(log, "OLDER", str(older))
    handler = log.Lines(str(file))
    for number in range(12):
        handler.emit(logging.makeLogRecord({"msg": f"{number:<20}"}))
    assert len(file.read_text().splitlines()) + len(older.read_text().splitlines()) >= 6
    assert file.read_text().splitlines()[-1].strip() == "11"
    assert file.stat().st_size + older.stat().st_size <= 2 * (100 + 21)
