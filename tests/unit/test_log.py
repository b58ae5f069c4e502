"""A log line is one line of visible characters, and one that cannot be written stops nobody."""

import logging
import threading
import time
from pathlib import Path

import pytest

from nvkeep import log
from nvkeep.log import Behind, File

STRANGE = "held by x\udcff\x1b]0;owned\x07\nand more"


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("nvkeep", logging.INFO, "", 0, "%s", (text,), None)


def test_a_name_that_is_none_is_written_all_the_same(tmp_path: Path) -> None:
    File(str(tmp_path / "actions.log")).emit(record(STRANGE))
    text = (tmp_path / "actions.log").read_text()
    assert text.endswith(": held by x\\udcff\\x1b]0;owned\\x07 | and more\n")


class Hanging(logging.Handler):
    """A disk that does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - as of a Handler
        self.answers.wait(60)


def test_a_disk_that_does_not_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "FLUSH_LIMIT_S", 0.1)
    disk = Hanging()
    behind = Behind(disk)
    begun = time.monotonic()
    for _ in range(log.MOST_WAITING + 100):
        behind.emit(record("x"))
    behind.flush()
    assert time.monotonic() - begun < 30
    disk.answers.set()


def test_a_handler_that_fails_costs_its_line_only(tmp_path: Path) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError(record)

    behind = Behind(Failing(), File(str(tmp_path / "actions.log")))
    for number in range(3):
        behind.emit(record(f"line {number}"))
    behind.flush()
    assert (tmp_path / "actions.log").read_text().count("line") == 3


def test_all_is_written_when_the_program_ends(tmp_path: Path) -> None:
    behind = Behind(File(str(tmp_path / "actions.log")))
    for number in range(500):
        behind.emit(record(str(number)))
    behind.flush()
    assert len((tmp_path / "actions.log").read_text().splitlines()) == 500


def test_an_error_that_lasts_is_written_once_a_minute(tmp_path: Path) -> None:
    behind = Behind(File(str(tmp_path / "actions.log")))
    for second in (0, 1, 30, 59, 61, 62):
        line = logging.LogRecord("nvkeep", logging.ERROR, "", 0, "%s", ("cannot reach the storage",), None)
        line.created = 1000.0 + second
        behind.emit(line)
    behind.flush()
    assert (tmp_path / "actions.log").read_text().count("cannot reach") == 2
