"""Standing aside and listening."""

from nvkeep.model.aside import FIRST, LONGEST, Aside, listen, stand
from nvkeep.model.role import Role

DOWN = 0.8


def test_patience_doubles_up_to_five_minutes() -> None:
    aside, row = Aside(), []
    for _ in range(7):
        aside = stand(aside, 100.0, "v=1")
        row.append(aside.patience)
    assert row == [FIRST, 20.0, 40.0, 80.0, 160.0, LONGEST, LONGEST]
    assert aside.until == 100.0 + LONGEST


def test_nothing_is_heard_before_patience_is_over() -> None:
    aside = stand(Aside(), 100.0, "v=1")
    assert listen(aside, Role.FAULT, 109.0, DOWN) == aside


def test_the_backup_of_a_host_that_has_just_begun_to_listen_is_not_having_heard() -> None:
    aside = listen(stand(Aside(), 100.0, "v=1"), Role.FAULT, 110.0, DOWN)
    assert aside.listening_since == 110.0
    later = listen(aside, Role.BACKUP, 110.05, DOWN)
    assert later == aside
    assert listen(later, Role.MASTER, 110.7, DOWN) == aside


def test_backup_that_lasts_is_having_heard() -> None:
    aside = listen(stand(Aside(), 100.0, "v=1"), Role.FAULT, 110.0, DOWN)
    assert listen(aside, Role.BACKUP, 110.0 + 2 * DOWN, DOWN) == aside
    assert listen(aside, Role.BACKUP, 110.1 + 2 * DOWN, DOWN) == Aside()


def test_who_does_not_stand_aside_listens_to_nothing() -> None:
    assert listen(Aside(), Role.BACKUP, 100.0, DOWN) == Aside()


def test_another_holder_is_somebody_to_stand_aside_for_anew() -> None:
    aside = stand(Aside(), 100.0, "v=1")
    assert not aside.waited_for("v=1", 109.0)
    assert aside.waited_for("v=1", 110.0)
    assert not aside.waited_for("v=2", 110.0)
    assert not Aside().waited_for("", 110.0)
