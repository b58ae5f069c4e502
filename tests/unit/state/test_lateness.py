"""When the timer's program makes a pass, and when it ends at once because the agent has just made one."""

import json
import time
from pathlib import Path

import pytest

from nvkeep import cli
from nvkeep.agent.configuration import set_timer
from nvkeep.state import lateness
from tests.unit.played import Played


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lateness, "RUN", str(tmp_path))
    monkeypatch.setattr(lateness, "DROP_IN", str(tmp_path / "interval.conf"))
    (tmp_path / "report").mkdir()
    return tmp_path


def passed(run: Path, service: str, ago: float) -> None:
    at = time.clock_gettime(time.CLOCK_BOOTTIME) - ago
    (run / "report" / service).write_text(json.dumps({"at": at, "did": "serve"}))


def test_passes_that_were_just_made_are_not_overdue(run: Path) -> None:
    passed(run, "a", 1)
    passed(run, "b", 14)
    (run / "report" / ".b.new").write_text("")
    assert not lateness.overdue()


@pytest.mark.parametrize("ago", [16, -60])  # long ago, and one that cannot be
def test_one_service_that_had_none_lately_is_enough(run: Path, ago: float) -> None:
    passed(run, "a", 1)
    passed(run, "b", ago)
    assert lateness.overdue()


def test_a_pass_that_ends_while_the_reports_are_read_is_not_overdue(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed(run, "a", 1)
    monkeypatch.setattr(lateness, "_passed", lambda _: time.clock_gettime(time.CLOCK_BOOTTIME))
    assert not lateness.overdue()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": null}'])
def test_a_report_that_cannot_be_read_is_overdue(run: Path, text: str) -> None:
    passed(run, "a", 1)
    (run / "report" / "b").write_text(text)
    assert lateness.overdue()


def test_a_host_that_knows_of_no_pass_makes_one(run: Path) -> None:
    assert lateness.overdue()
    (run / "report").rmdir()
    assert lateness.overdue()


def test_the_interval_is_the_one_that_the_agent_has_set(run: Path) -> None:
    assert lateness.interval() == 10
    host = Played()
    set_timer(host, 2.5)  # type: ignore[arg-type]  # as much of a Host as is asked
    (run / "interval.conf").write_text(host.files["/run/systemd/system/nvkeep-reconcile.timer.d/interval.conf"])
    assert lateness.interval() == 2.5
    passed(run, "a", 5)
    assert lateness.overdue()


def test_the_timers_program_ends_before_it_reads_anything(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passed(run, "a", 1)
    assert cli.main(["apply", "--quiet", "--overdue", "-f", "/nowhere"]) == 0
    assert capsys.readouterr() == ("", "")
    passed(run, "a", 100)
    assert cli.main(["apply", "--quiet", "--overdue", "-f", "/nowhere"]) == 2
