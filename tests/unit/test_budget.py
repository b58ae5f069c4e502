"""Three starts in ten minutes, and no more."""

from nvkeep.model.budget import SPAN, STARTS, recent, spend, spent


def test_the_third_start_spends_it() -> None:
    starts: tuple[float, ...] = ()
    for number in range(1, STARTS + 1):
        starts = spend(starts, 10.0 * number)
        assert spent(starts, 10.0 * number) == (number == STARTS)


def test_starts_that_are_long_ago_do_not_count() -> None:
    starts = spend(spend((), 1.0), 2.0)
    assert recent(starts, SPAN + 1.5) == (2.0,)
    assert not spent(spend(starts, SPAN + 1.5), SPAN + 1.5)


def test_a_time_that_has_not_come_yet_is_of_another_boot() -> None:
    assert recent((5000.0,), 10.0) == ()
