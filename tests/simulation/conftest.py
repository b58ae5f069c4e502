"""The simulation speaks through its assertions only; logging 100,000 commands would take most of its time.

One line is listened for: a pass that fails for a fault of nvkeep's own, or of a mutation's, is a report like any other to the
engine's callers, and a test that waits for some trouble would take it for that trouble.
"""

import logging
from collections.abc import Iterator

import pytest

BUG = "a bug in nvkeep"


class Bugs(logging.Filter):
    """Keeps every report of a bug; lets nothing through."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep it, and print nothing."""
        text = record.getMessage()
        self.told += [text] if BUG in text else []
        return False


@pytest.fixture(autouse=True)
def bugs() -> Iterator[list[str]]:
    """Fail every test in which a pass has met a bug, whatever else the test saw."""
    logger, kept = logging.getLogger("nvkeep"), Bugs()
    before = logger.level
    logger.setLevel(logging.ERROR)
    logger.addFilter(kept)
    yield kept.told
    logger.removeFilter(kept)
    logger.setLevel(before)
    assert not kept.told, kept.told[0]
