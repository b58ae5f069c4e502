"""docs/performance.md is what bench/page.py writes of the kept figures: nobody writes into a table by hand."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_made_of_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import page  # type: ignore[import-not-found]  # noqa: PLC0415 - a script beside the package

    assert page.PAGE.read_text() == page.page(json.loads(page.FIGURES.read_text()))
