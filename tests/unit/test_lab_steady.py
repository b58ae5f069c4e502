from __future__ import annotations

import pytest

from lab.steady import EVERY_S, SteadyClock


def sampled(*stretched: float, every: float = EVERY_S) -> SteadyClock:
    clock = SteadyClock(100.0)
    for number, factor in enumerate(stretched, 1):
        clock.add(100.0 + number * every, factor)
    return clock


def test_at_rest_steady_seconds_are_seconds() -> None:
    assert sampled(*[1.0] * 200).reading(107.3) == pytest.approx(7.3)


def test_with_two_that_want_each_core_a_second_is_half_a_steady_one() -> None:
    clock = sampled(*[1.0] * 100, *[2.0] * 100)
    assert clock.reading(105.0) == pytest.approx(5.0)
    assert clock.reading(110.0) == pytest.approx(7.5)


def test_a_moment_between_two_samples_lies_between_their_readings() -> None:
    clock = sampled(2.0, every=0.1)
    assert clock.reading(100.05) == pytest.approx(0.025)


def test_a_sample_that_comes_late_counts_less() -> None:
    """The sampler itself had no core: one second is what two samples at most would have been."""
    clock = sampled(1.0, every=1.0)
    assert clock.reading(101.0) == pytest.approx(2 * EVERY_S)


@pytest.mark.parametrize(("moment", "reading"), [(95.0, -5.0), (100.0, 0.0), (103.0, 3.0)])
def test_outside_of_what_was_sampled_they_are_seconds(moment: float, reading: float) -> None:
    assert sampled(1.0).reading(moment) == pytest.approx(reading)
