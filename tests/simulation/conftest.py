"""The simulation speaks through its assertions only; logging 100,000 commands would take most of its time."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("nvkeep")
    before, logger.disabled = logger.disabled, True
    yield
    logger.disabled = before
