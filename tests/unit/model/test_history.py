"""An entry of the history: what is kept, what it says, and that it decides the same again."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from nvkeep.model import history
from nvkeep.model.decision import Action, Facts, Guard, Holder, decide
from nvkeep.model.report import Outcome, Report, Word
from nvkeep.model.role import Role

FACTS = Facts(Role.MASTER, Holder.UNTOLD, guard=Guard.SILENT)
MOUNT = Outcome("mount /srv/pg", Word.CONVERGED, "absent", 0.0102, ("mount /srv/pg",), 105.25, "acquire")
TOOK = Report("pg", 7, Action.SEIZE, "nobody serves", (MOUNT,), "MASTER", "me", eligible=True, facts=vars(FACTS))


def entry(report: Report = TOOK, made: tuple[Outcome, ...] | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any value
    ran = tuple(outcome for outcome in report.outcomes if outcome.ran) if made is None else made
    return history.entry(report, ran, history.Times(105.0, 105.5, 1.8e9, outage=0.6)) | changes


def plain(report: Report) -> dict[str, Any]:
    return vars(report) | {"outcomes": [vars(outcome) for outcome in report.outcomes]}


def test_names_sort_by_time_and_can_be_typed() -> None:
    names = [history.identifier(1.8e9 + seconds, "pg") for seconds in (0, 0.001, 59, 86400)]
    assert names == sorted(names)
    assert len({*names, history.identifier(1.8e9, "nfs")}) == len(names) + 1
    assert all(name.isalnum() and len(name) == 10 for name in (*names, history.identifier(-5.0, "pg")))


def test_a_pass_that_ran_something_is_kept() -> None:
    assert history.differs(TOOK, (MOUNT,), plain(TOOK), 0.0)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, False),
        ({"why": "another reason"}, True),
        ({"eligible": False}, True),
        ({"outcomes": (replace(MOUNT, word=Word.IN_SYNC, ran=()),)}, False),
        ({"outcomes": (replace(MOUNT, word=Word.DENIED, ran=()),)}, True),
        ({"eligible_why": "for 12 s", "eligible": True}, False),
    ],
)
def test_a_pass_that_ran_nothing_is_kept_when_it_ends_otherwise_than_the_one_before(
    changes: dict[str, Any], *, kept: bool
) -> None:
    quiet = replace(TOOK, outcomes=(replace(MOUNT, ran=()),))
    assert history.differs(replace(quiet, **changes), (), plain(quiet), 0.0) is kept


def test_the_same_end_is_kept_again_after_ten_minutes_only() -> None:
    other = replace(TOOK, outcomes=(), why="another reason")
    before = plain(replace(TOOK, outcomes=(), kept={history.end(other): 50.0}))
    assert not history.differs(other, (), before, 50.0 + history.AGAIN_S - 1)
    assert history.differs(other, (), before, 50.0 + history.AGAIN_S + 1)
    assert history.differs(other, (MOUNT,), before, 51.0)
    assert not history.differs(other, (replace(MOUNT, word=Word.DENIED),), before, 51.0)


def test_the_first_pass_of_a_boot_is_kept() -> None:
    assert history.differs(replace(TOOK, outcomes=()), (), {}, 0.0)


def test_steps_say_when_they_began() -> None:
    (step,) = entry()["steps"]
    assert (step["begun"], step["seconds"], step["verb"], step["ran"]) == (0.25, 0.01, "acquire", ("mount /srv/pg",))


@pytest.mark.parametrize(
    ("report", "taken"),
    [(TOOK, True), (replace(TOOK, holder="another"), False), (replace(TOOK, did=Action.SERVE), False)],
)
def test_a_takeover_is_a_pass_that_took_and_has_it(report: Report, *, taken: bool) -> None:
    assert history.taken(entry(report)) is taken


def test_every_decision_is_the_same_again() -> None:
    for role, holder, guard, ours, witness in product(Role, Holder, Guard, (True, False), (True, False)):
        facts = Facts(role, holder, ours=ours, witness=witness, guard=guard)
        verdict = decide(facts)
        report = Report("pg", verdict.line, verdict.action, verdict.why, facts=vars(facts))
        assert history.replayed(entry(report)) == (verdict, True)


def test_all_that_was_made_is_kept_and_then_how_the_rest_stood() -> None:
    """An attach that was denied, its release, and what the last round did."""
    denied = Outcome("volume v", Word.DENIED, "held", 0.03, ("attach",), 105.0, "acquire")
    back = Outcome("volume v", Word.CONVERGED, "", 0.02, ("detach",), 105.1, "release")
    steps = entry(
        replace(TOOK, outcomes=(Outcome("volume v", Word.IN_SYNC), Outcome("service x", Word.IN_SYNC))), (denied, back)
    )["steps"]
    assert [(step["key"], step["verb"], step["word"]) for step in steps] == [
        ("volume v", "acquire", "denied"), ("volume v", "release", "converged"), ("service x", "", "in-sync"),
    ]  # fmt: skip


def test_a_guard_that_could_not_be_asked_is_no_other_decision() -> None:
    facts = Facts(Role.MASTER, Holder.ANOTHER)
    assert decide(facts).action is Action.GUARD
    assert history.replayed(entry(facts=vars(facts), line=7, did="wait"))[1]


def test_another_decision_is_seen() -> None:
    assert not history.replayed(entry(line=4, did="serve"))[1]


@pytest.mark.parametrize("facts", [{"role": "KING"}, {"role": "MASTER", "holder": "me", "moon": "full"}])
def test_facts_that_are_not_known_are_refused(facts: dict[str, str]) -> None:
    with pytest.raises((ValueError, TypeError)):
        history.replayed(entry(facts=facts))


def test_each_step_is_summed_up() -> None:
    entries = [entry(replace(TOOK, outcomes=(replace(MOUNT, seconds=seconds),))) for seconds in (0.1, 0.2, 0.3, 0.4, 1.0)]
    (spread,) = history.percentiles(entries)
    assert (spread.step, spread.times, spread.median, spread.longest) == ("mount acquire", 5, 0.3, 1.0)
    assert 0.4 < spread.most < 1.0


def test_a_step_that_ran_nothing_is_none() -> None:
    assert history.percentiles([entry(replace(TOOK, outcomes=(replace(MOUNT, ran=()),)))]) == []
