"""The hours in which a service may move back by itself."""

import argparse

import pytest

from nvkeep.admin.failback import inside
from nvkeep.cli.common import lasting


@pytest.mark.parametrize(
    ("window", "minute", "expected"),
    [
        ("02:00-05:00", 119, False),
        ("02:00-05:00", 120, True),
        ("02:00-05:00", 299, True),
        ("02:00-05:00", 300, False),
        ("22:30-01:00", 1349, False),
        ("22:30-01:00", 1350, True),
        ("22:30-01:00", 0, True),
        ("22:30-01:00", 60, False),
        ("00:00-00:00", 720, True),
    ],
)
def test_a_window_has_its_first_minute_and_not_its_last(window: str, minute: int, *, expected: bool) -> None:
    assert inside(window, minute) is expected


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400)])
def test_a_length_of_time(text: str, seconds: int) -> None:
    assert lasting(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "1.5h", "2 h", "2w", "²h"])
def test_what_is_no_length_of_time_is_told_with_what_to_write(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write 90s, 30m, 2h or 1d"):
        lasting(text)
