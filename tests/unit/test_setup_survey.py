"""What a host lacks, what setting up brings, and what it leaves to people: that is shown and keeps nobody from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvkeep.checks import readiness
from nvkeep.keepalived import Version
from nvkeep.keepalived.install import checks
from nvkeep.keepalived.roles import Process
from nvkeep.model.finding import lacking
from nvkeep.model.role import Roles
from nvkeep.setup import table
from nvkeep.setup.member import Look
from nvkeep.setup.survey import Survey, survey
from tests.unit.test_setup_killed import CLUSTER, NAME, ORDER, answering, machine, whole

__all__ = ["answering"]  # a fixture that is used by itself


def test_a_keepalived_that_runs_without_the_drop_in_is_told_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting up does not restart it: `nvkeep check --host` says NOT OK, and setup must not say nothing."""
    host = machine(tmp_path, {})
    whole(host)
    monkeypatch.setattr(checks, "running", lambda _: Process(1, "", ""))
    monkeypatch.setattr(checks, "temporary", lambda *_: "/tmp")
    monkeypatch.setattr(checks, "ask", lambda _: Roles((), ""))
    monkeypatch.setattr(checks, "every_instance", lambda *_: ())
    wrong = list(checks._running(host, CLUSTER, Version(2, 2, 7)))
    rows = lacking(readiness._keepalived(*wrong))
    monkeypatch.setattr(readiness, "unmet", lambda *_: rows)
    found = survey(host, ORDER, NAME)
    assert (found.unmet, found.changes) == ((), ())
    assert [one.fix for one in found.warnings] == ["systemctl daemon-reload && systemctl restart keepalived"]
    assert Survey.parse(found.dump()) == found
    drawn = table.lacking([Look(NAME, found, found.unmet)], NAME)
    assert "KEEPALIVED (only a warning): keepalived writes" in drawn
    assert "systemctl daemon-reload && systemctl restart keepalived" in drawn
