"""What would lead to another decision: every single fact is tried, and nothing is said that is not so."""

from dataclasses import replace

import pytest

from nvkeep.model.decision import Action, Facts, Guard, Holder, decide
from nvkeep.model.explain import WORDS, lines, otherwise
from nvkeep.model.role import Role

STANDBY = Facts(Role.BACKUP, Holder.ANOTHER)


def test_a_standby_would_seize_as_master_when_nobody_answers() -> None:
    assert ("role", Role.MASTER, Action.GUARD) in [(one.name, one.value, one.verdict.action) for one in otherwise(STANDBY)]
    master = replace(STANDBY, role=Role.MASTER, guard=Guard.SILENT)
    assert decide(master).action is Action.SEIZE


@pytest.mark.parametrize(
    "facts", [STANDBY, Facts(Role.MASTER, Holder.ME), Facts(Role.MASTER, Holder.ANOTHER, cooling="it failed")]
)
def test_what_is_said_is_so(facts: Facts) -> None:
    was = decide(facts)
    for one in otherwise(facts):
        now = decide(replace(facts, **{one.name: one.value}))  # type: ignore[arg-type] # a fact of that name
        assert now == one.verdict
        assert (now.line, now.action) != (was.line, was.action)


def test_a_reason_that_ends_is_tried() -> None:
    facts = Facts(Role.MASTER, Holder.NOBODY, cooling="mount failed")
    assert ("cooling", "") in [(one.name, one.value) for one in otherwise(facts)]


def test_every_fact_is_named_in_words() -> None:
    assert WORDS.keys() == vars(STANDBY).keys()
    printed = list(lines(STANDBY))
    assert printed[0] == "line 8: rest: another host holds the volume and the role here is BACKUP"
    assert "  carrier      yes        the service network has a carrier" in printed
    assert any(line.startswith("  role MASTER: line 7: guard: ") for line in printed)
