"""When the neighbours are told again: 0.2, 1, 2, 5, 10 seconds, then every 10, for 5 minutes."""

from nvkeep.model.timers import next_announcement


def test_the_whole_row() -> None:
    row, at = [], 100.0
    while at:
        at = next_announcement(100.0, at)
        row.append(round(at - 100.0, 3))
    assert row[:7] == [0.2, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0]
    assert row[-3:] == [290.0, 300.0, -100.0]


def test_what_was_missed_is_told_once() -> None:
    assert next_announcement(100.0, 107.3) == 110.0
    assert next_announcement(100.0, 134.0) == 140.0
