"""The eight lines: a case for each, and what must hold for every combination of facts."""

from dataclasses import fields, replace
from itertools import chain, product
from pathlib import Path

import pytest

from nvkeep.model.decision import LINES, Action, Facts, Guard, Holder, Obstacle, decide
from nvkeep.model.eligibility import Reasons, eligible
from nvkeep.model.role import Role

TAKERS = (Role.MASTER, Role.CANDIDATE)
TAKING = (Action.ACQUIRE, Action.SEIZE, Action.GUARD)
CASES = {
    "taken from us": (Facts(Role.BACKUP, Holder.ANOTHER, ours=True), 1, Action.ISOLATE),
    "taken from us, still master": (Facts(Role.MASTER, Holder.ANOTHER, ours=True, guard=Guard.SILENT), 1, Action.ISOLATE),
    "taken from us, and told to stop": (Facts(Role.NONE, Holder.ANOTHER, ours=True, release_why="standby"), 1, Action.ISOLATE),
    "told to stop": (Facts(Role.MASTER, Holder.ME, ours=True, release_why="standby"), 2, Action.RELEASE),
    "told to stop, holder unknown": (Facts(Role.MASTER, Holder.UNKNOWN, release_why="standby"), 2, Action.RELEASE),
    "no carrier": (Facts(Role.MASTER, Holder.ME, ours=True, carrier=False), 2, Action.RELEASE),
    "dead storage": (Facts(Role.MASTER, Holder.ME, ours=True, io=False), 3, Action.ISOLATE),
    "storage that has not answered for long": (Facts(Role.MASTER, Holder.UNKNOWN, ours=True, io=False), 3, Action.ISOLATE),
    "we hold as master": (Facts(Role.MASTER, Holder.ME), 4, Action.SERVE),
    "we hold as backup": (Facts(Role.BACKUP, Holder.ME), 4, Action.SERVE),
    "we hold, keepalived is gone": (Facts(Role.NONE, Holder.ME, witness=False), 4, Action.SERVE),
    "unknown": (Facts(Role.MASTER, Holder.UNKNOWN), 5, Action.WAIT),
    "unknown as backup": (Facts(Role.BACKUP, Holder.UNKNOWN), 5, Action.WAIT),
    "free and master": (Facts(Role.MASTER, Holder.NOBODY), 6, Action.ACQUIRE),
    "untold and candidate": (Facts(Role.CANDIDATE, Holder.UNTOLD), 6, Action.ACQUIRE),
    "free after a loss": (Facts(Role.MASTER, Holder.NOBODY, fenced=True), 6, Action.ACQUIRE),
    "free, but cut off": (Facts(Role.MASTER, Holder.NOBODY, witness=False), 8, Action.REST),
    "free, but backup": (Facts(Role.BACKUP, Holder.NOBODY), 8, Action.REST),
    "another's, and master": (Facts(Role.MASTER, Holder.ANOTHER), 7, Action.GUARD),
    "another's, who serves": (Facts(Role.MASTER, Holder.ANOTHER, guard=Guard.SERVED), 7, Action.YIELD),
    "another's, who serves, unheard once more": (
        Facts(Role.MASTER, Holder.ANOTHER, guard=Guard.SERVED, waited=True),
        7,
        Action.SEIZE,
    ),
    "another's, unheard once more, after a loss": (
        Facts(Role.MASTER, Holder.ANOTHER, guard=Guard.SERVED, waited=True, fenced=True),
        8,
        Action.REST,
    ),
    "another's, who is silent": (Facts(Role.MASTER, Holder.ANOTHER, guard=Guard.SILENT), 7, Action.SEIZE),
    "another's, and candidate": (Facts(Role.CANDIDATE, Holder.ANOTHER, guard=Guard.SILENT), 8, Action.REST),
    "another's, cut off": (Facts(Role.MASTER, Holder.ANOTHER, witness=False, guard=Guard.SILENT), 8, Action.REST),
    "another's, after a loss": (Facts(Role.MASTER, Holder.ANOTHER, fenced=True, guard=Guard.SILENT), 8, Action.REST),
    "free, but it failed here": (Facts(Role.MASTER, Holder.NOBODY, cooling="the unit failed"), 8, Action.REST),
    "another's, but it failed here": (Facts(Role.MASTER, Holder.ANOTHER, cooling="the unit failed"), 8, Action.REST),
    "another's, as it should be": (Facts(Role.BACKUP, Holder.ANOTHER), 8, Action.REST),
    "fault": (Facts(Role.FAULT, Holder.UNTOLD), 8, Action.REST),
}
FLAGS = (False, True)
WORDS = ("", "a reason")
ONCE = [Facts(*values) for values in product(Role, Holder, FLAGS, WORDS, FLAGS, FLAGS, FLAGS, FLAGS, WORDS, Guard)]
ALL = [replace(facts, waited=waited) for facts in ONCE for waited in FLAGS]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_table(case: tuple[Facts, int, Action]) -> None:
    facts, line, action = case
    assert decide(facts)[:2] == (line, action)


def test_the_documentation_has_the_very_table() -> None:
    rows = [f"| {number} | {line.seen} | {line.does} |" for number, line in LINES.items()]
    table = "\n".join(["| line | seen | the pass does |", "| --- | --- | --- |", *rows])
    assert table in Path("docs/decisions.md").read_text()


def test_every_line_has_a_case() -> None:
    assert {line for _, line, _ in CASES.values()} == set(LINES)
    assert {action for _, _, action in CASES.values()} == set(Action)


def test_all_facts_are_in_the_product() -> None:
    assert len(fields(Facts)) == 12  # maintenance has a test of its own
    assert len(set(ALL)) == 5 * 5 * 2**8 * 3


def test_the_first_line_that_fits_is_taken_and_one_always_fits() -> None:
    assert list(LINES) == sorted(LINES)
    for facts in ALL:
        verdict = decide(facts)
        assert verdict.line == min(number for number, line in LINES.items() if line.fits(facts))
        assert verdict.why


def test_in_maintenance_nothing_is_done_the_line_is_said_and_the_roles_stay() -> None:
    for facts in ALL:
        verdict = decide(replace(facts, maintenance="disks"))
        assert (verdict.line, verdict.action) == (decide(facts).line, Action.WAIT)
        assert eligible(replace(facts, maintenance="disks"), Reasons())[0] is facts.ours


def test_nothing_is_taken_without_a_role_and_a_witness() -> None:
    taking = {action: [facts for facts in ALL if decide(facts).action is action] for action in TAKING}
    assert all(taking.values())
    for facts in chain.from_iterable(taking.values()):
        assert facts.role in TAKERS, facts
        assert facts.witness, facts
        assert facts.carrier, facts
        assert not facts.release_why, facts
        assert not facts.cooling, facts
        assert facts.holder is not Holder.ME, facts


def test_nothing_is_seized_but_by_a_master_without_a_loss_when_nobody_serves() -> None:
    seized = [facts for facts in ALL if decide(facts).action is Action.SEIZE]
    assert seized
    for facts in seized:
        assert (facts.role, facts.fenced) == (Role.MASTER, False)
        assert facts.holder is Holder.ANOTHER or (facts.holder is Holder.UNTOLD and facts.guard is Guard.SILENT), facts
        assert facts.guard is Guard.SILENT or (facts.guard is Guard.SERVED and facts.waited), facts


def test_acquiring_is_only_for_what_nobody_is_known_to_hold() -> None:
    assert {facts.holder for facts in ALL if decide(facts).action is Action.ACQUIRE} == {Holder.NOBODY, Holder.UNTOLD}


def test_the_holder_stays_whatever_its_role() -> None:
    for facts in ALL:
        if facts.holder is Holder.ME and not facts.release_why and facts.carrier and facts.io:
            assert decide(facts).action is Action.SERVE, facts


def test_what_was_taken_from_us_is_isolated_before_anything_else() -> None:
    for facts in ALL:
        if facts.holder is Holder.ANOTHER and facts.ours:
            assert decide(facts)[:2] == (1, Action.ISOLATE), facts


def test_what_is_unknown_changes_nothing_but_an_order_to_release_counts() -> None:
    for facts in ALL:
        if facts.holder is Holder.UNKNOWN and facts.io:
            ordered = bool(facts.release_why) or not facts.carrier
            assert decide(facts).action is (Action.RELEASE if ordered else Action.WAIT), facts


def test_the_role_never_makes_a_holder_release() -> None:
    for facts in ALL:
        if facts.holder is Holder.ME:
            assert len({decide(replace(facts, role=role)).action for role in Role}) == 1, facts


def test_the_guard_and_a_loss_matter_only_to_a_master_that_may_take() -> None:
    for facts in ALL:
        if decide(facts).line != 7:
            without = replace(facts, guard=Guard.UNASKED)
            assert decide(without)[:2] == decide(facts)[:2], facts


def test_a_verdict_is_barred_when_the_fencing_record_alone_keeps_a_master_from_taking() -> None:
    for facts in ALL:
        asked = replace(facts, fenced=False, guard=Guard.UNASKED)
        master = facts.fenced and facts.role is Role.MASTER
        assert decide(facts).barred is (master and decide(asked).action is Action.GUARD), facts


def test_in_maintenance_a_holder_should_have_everything_and_nobody_else_anything() -> None:
    expected = {Holder.ME: Action.SERVE, Holder.UNKNOWN: Action.WAIT}
    for facts in ALL[:: len(Guard)]:
        verdict = decide(replace(facts, maintenance="disks"))
        assert Obstacle.MAINTENANCE in verdict.obstacles
        assert (verdict.action, verdict.judged_by) == (Action.WAIT, expected.get(facts.holder, Action.REST))


def test_a_host_that_may_have_the_role_gives_no_reason_against_and_the_other_way_round() -> None:
    standings = [Reasons(), Reasons(tie_break="a"), Reasons(yielding="c"), Reasons(deaf="d")]
    for facts, standing in product(ALL, standings):
        may, why = eligible(facts, standing)
        assert may is (not why)
        told = facts.holder is not Holder.UNKNOWN or facts.ours
        well = facts.carrier and facts.io and facts.witness and not facts.release_why and not facts.cooling and told
        assert may is (well and standing == Reasons()), (facts, standing)


def test_the_first_reason_is_told() -> None:
    facts = Facts(Role.MASTER, Holder.NOBODY, witness=False)
    assert eligible(replace(facts, release_why="standby"), Reasons(deaf="listens")) == (False, "standby")
    assert eligible(facts, Reasons(deaf="listens")) == (False, "no witness answers: this host is cut off")
