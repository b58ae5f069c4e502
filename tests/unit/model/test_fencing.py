"""A loss: how it begins, what ends it, and what never does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nvkeep.model.fencing import FIRST_FENCING_S, LISTEN_AFTER_S, LISTEN_AGAIN_S, Fencing, listen, rebooted, record_fencing
from nvkeep.model.role import Role

DOWN = 2.0
FIRST = record_fencing(Fencing(), 100.0)


def test_a_loss_is_counted_and_makes_deaf() -> None:
    assert Fencing(1, 100.0, None, 100.0 + LISTEN_AFTER_S) == FIRST
    assert FIRST.deaf
    assert record_fencing(FIRST, 130.0) == Fencing(2, 130.0, None, 130.0 + LISTEN_AFTER_S)
    assert not Fencing().deaf


def test_without_a_loss_nothing_is_listened_for() -> None:
    assert all(listen(Fencing(), role, 1e6, DOWN) == Fencing() for role in Role)


def test_it_listens_after_a_moment() -> None:
    assert listen(FIRST, Role.FAULT, 100.0 + LISTEN_AFTER_S / 2, DOWN).deaf
    listening = listen(FIRST, Role.FAULT, 100.5 + LISTEN_AFTER_S, DOWN)
    assert listening == Fencing(1, 100.0, 100.5 + LISTEN_AFTER_S, 100.0 + LISTEN_AFTER_S)
    assert not listening.deaf


def test_having_heard_ends_it_only_after_more_than_twice_the_silence_of_a_dead_master() -> None:
    listening = listen(FIRST, Role.FAULT, 101.0, DOWN)
    assert listen(listening, Role.BACKUP, 101.0 + 2 * DOWN, DOWN) == listening
    assert listen(listening, Role.BACKUP, 101.1 + 2 * DOWN, DOWN) == Fencing()


def test_backup_without_listening_is_not_having_heard() -> None:
    second = record_fencing(FIRST, 130.0)
    assert listen(second, Role.BACKUP, 140.0, DOWN).count == 2


def test_becoming_master_while_listening_makes_deaf_again_for_a_while() -> None:
    second = listen(record_fencing(FIRST, 130.0), Role.FAULT, 131.0, DOWN)
    again = listen(second, Role.MASTER, 135.0, DOWN)
    assert again.deaf
    assert listen(again, Role.FAULT, 135.0 + LISTEN_AGAIN_S - 0.1, DOWN) == again
    assert not listen(again, Role.FAULT, 135.0 + LISTEN_AGAIN_S, DOWN).deaf


def test_a_first_loss_ends_by_itself_and_a_second_one_never() -> None:
    over = listen(FIRST, Role.MASTER, 100.0 + FIRST_FENCING_S, DOWN)
    assert (over.bars, over.deaf, over.count) == (False, False, 1)
    assert listen(FIRST, Role.MASTER, 99.9 + FIRST_FENCING_S, DOWN).count == 1
    assert listen(record_fencing(FIRST, 130.0), Role.MASTER, 1e9, DOWN).count == 2


def test_a_boot_starts_the_time_again() -> None:
    assert rebooted(FIRST, 5.0) == Fencing(1, 5.0, None, 5.0)
    assert rebooted(Fencing(), 5.0) == Fencing()
    assert listen(rebooted(FIRST, 5.0), Role.FAULT, 5.0 + FIRST_FENCING_S - 1, DOWN).count == 1


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(Role), st.floats(0.01, 100)), max_size=30), st.integers(2, 5))
def test_repeated_losses_end_only_by_hearing(steps: list[tuple[Role, float]], times: int) -> None:
    loss, now = Fencing(), 0.0
    for _ in range(times):
        loss = record_fencing(loss, now)
    for role, later in steps:
        now += later
        before, loss = loss, listen(loss, role, now, DOWN)
        if not loss.count:
            assert role is Role.BACKUP
            assert before.listening_since is not None
            assert now - before.listening_since > 2 * DOWN
            return
        assert loss.count == times


def test_a_loss_after_one_that_ended_by_itself_is_a_second_one() -> None:
    over = listen(FIRST, Role.MASTER, 100.0 + FIRST_FENCING_S, DOWN)
    again = record_fencing(over, 200.0)
    assert (again.bars, again.count) == (True, 2)
    assert listen(again, Role.MASTER, 1e9, DOWN).bars


def test_a_loss_that_ended_by_itself_is_forgotten_once_somebody_is_heard() -> None:
    over = listen(FIRST, Role.MASTER, 100.0 + FIRST_FENCING_S, DOWN)
    assert listen(over, Role.BACKUP, 161.0 + 2 * DOWN, DOWN) == Fencing()
