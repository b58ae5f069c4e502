"""The metrics: every series is always there, and another parser reads the same."""

import math
from dataclasses import replace

import pytest

from nvkeep.model.decision import Action
from nvkeep.model.metrics import Takeovers, Times, counted, render
from nvkeep.model.report import Outcome, Report, Word
from nvkeep.model.role import Role

REPORT = Report("pg", 4, Action.SERVE, "", (Outcome('mount /srv/"pg"', Word.IN_SYNC),), "MASTER", "me", eligible=True)
TOOK = Takeovers(3, 1.8e9, 0.58)


def text(report: Report = REPORT, took: Takeovers = TOOK) -> str:
    return render("srv-a", report, Times(1.8e9 + 5, 0.25, 10.0), took, held=False, fenced=False)


def series(written: str) -> dict[str, float]:
    rows = (line.rpartition(" ") for line in written.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def test_what_a_pass_found() -> None:
    found = series(text())
    where = 'host="srv-a",service="pg"'
    assert found[f"nvkeep_serving{{{where}}}"] == 1
    assert found[f"nvkeep_last_pass_timestamp_seconds{{{where}}}"] == 1.8e9 + 5
    assert found[f'nvkeep_role{{{where},role="MASTER"}}'] == 1
    assert found[f'nvkeep_role{{{where},role="BACKUP"}}'] == 0
    assert found[rf'nvkeep_resource_settled{{{where},resource="mount /srv/\"pg\""}}'] == 1
    assert found[f"nvkeep_takeovers_total{{{where}}}"] == 3


def test_in_maintenance_a_holder_serves_and_nobody_says_how_resources_stand() -> None:
    watched = replace(REPORT, did=Action.WAIT, outcomes=(Outcome("mount /srv", Word.DRIFTED),), facts={"maintenance": "why"})
    found = series(text(watched))
    where = 'host="srv-a",service="pg"'
    assert found[f"nvkeep_serving{{{where}}}"] == found[f"nvkeep_maintenance{{{where}}}"] == 1
    assert math.isnan(found[f'nvkeep_resource_settled{{{where},resource="mount /srv"}}'])


@pytest.mark.parametrize("did", Action)
@pytest.mark.parametrize("role", [*Role, "unknown"])
def test_every_series_is_always_there(did: Action, role: str) -> None:
    assert series(text(replace(REPORT, did=did, role=role, holder="unknown"), Takeovers())).keys() == series(text()).keys()


def test_every_series_has_its_help_and_its_type_before_it() -> None:
    written = text().splitlines()
    for number, line in enumerate(written):
        name = line.partition("{")[0]
        if not line.startswith("#") and not written[number - 1].startswith(name):
            assert written[number - 1] in (f"# TYPE {name} gauge", f"# TYPE {name} counter")
            assert written[number - 2].startswith(f"# HELP {name} ")


def test_what_was_counted_is_read_again() -> None:
    assert counted(text()) == TOOK


@pytest.mark.parametrize("broken", ["", "nvkeep_takeovers_total{} x\n", 'nvkeep_takeovers_total{a="b"} 4\n', text()[:300]])
def test_what_cannot_be_read_begins_again(broken: str) -> None:
    assert counted(broken) == Takeovers()
