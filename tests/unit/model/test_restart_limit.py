"""Three starts in ten minutes, and no more."""

from nvkeep.model.timers import RESTART_LIMIT, RESTART_SPAN_S, at_limit, recent, with_start


def test_the_third_start_spends_it() -> None:
    starts: tuple[float, ...] = ()
    for number in range(1, RESTART_LIMIT + 1):
        starts = with_start(starts, 10.0 * number)
        assert at_limit(starts, 10.0 * number) == (number == RESTART_LIMIT)


def test_starts_that_are_long_ago_do_not_count() -> None:
    starts = with_start(with_start((), 1.0), 2.0)
    assert recent(starts, RESTART_SPAN_S + 1.5) == (2.0,)
    assert not at_limit(with_start(starts, RESTART_SPAN_S + 1.5), RESTART_SPAN_S + 1.5)


def test_a_time_that_has_not_come_yet_is_of_another_boot() -> None:
    assert recent((5000.0,), 10.0) == ()
