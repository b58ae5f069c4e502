"""Backing off and listening."""

from nvkeep.model.role import Role
from nvkeep.model.timers import BACKOFF_FIRST_S, BACKOFF_LONGEST_S, Backoff, after_hearing, back_off

DOWN = 0.8


def test_patience_doubles_up_to_five_minutes() -> None:
    backoff, row = Backoff(), []
    for _ in range(7):
        backoff = back_off(backoff, 100.0, "v=1")
        row.append(backoff.patience)
    assert row == [BACKOFF_FIRST_S, 20.0, 40.0, 80.0, 160.0, BACKOFF_LONGEST_S, BACKOFF_LONGEST_S]
    assert backoff.until == 100.0 + BACKOFF_LONGEST_S


def test_nothing_is_heard_before_patience_is_over() -> None:
    backoff = back_off(Backoff(), 100.0, "v=1")
    assert after_hearing(backoff, Role.FAULT, 109.0, DOWN) == backoff


def test_the_backup_of_a_host_that_has_just_begun_to_listen_is_not_having_heard() -> None:
    backoff = after_hearing(back_off(Backoff(), 100.0, "v=1"), Role.FAULT, 110.0, DOWN)
    assert backoff.listening_since == 110.0
    later = after_hearing(backoff, Role.BACKUP, 110.05, DOWN)
    assert later == backoff
    assert after_hearing(later, Role.MASTER, 110.7, DOWN) == backoff


def test_backup_that_lasts_is_having_heard() -> None:
    backoff = after_hearing(back_off(Backoff(), 100.0, "v=1"), Role.FAULT, 110.0, DOWN)
    assert after_hearing(backoff, Role.BACKUP, 110.0 + 2 * DOWN, DOWN) == backoff
    assert after_hearing(backoff, Role.BACKUP, 110.1 + 2 * DOWN, DOWN) == Backoff()


def test_who_does_not_stand_aside_listens_to_nothing() -> None:
    assert after_hearing(Backoff(), Role.BACKUP, 100.0, DOWN) == Backoff()


def test_another_holder_is_somebody_to_stand_aside_for_anew() -> None:
    backoff = back_off(Backoff(), 100.0, "v=1")
    assert not backoff.waited_for("v=1", 109.0)
    assert backoff.waited_for("v=1", 110.0)
    assert not backoff.waited_for("v=2", 110.0)
    assert not Backoff().waited_for("", 110.0)
