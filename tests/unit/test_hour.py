"""bench/hour.py tells a pause of the machine from a gap of the service, by a program beside it that nvkeep does not know."""

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVERY = 0.02


@pytest.fixture
def hour(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import hour  # type: ignore[import-not-found]  # noqa: PLC0415 - a script beside the package

    module: ModuleType = hour
    return module


def answers(*away: tuple[float, float], phase: float = 0.0) -> list[float]:
    moments = (phase + number * EVERY for number in range(500))
    return [moment for moment in moments if not any(begun <= moment <= ended for begun, ended in away)]


def counted(hour: ModuleType, served: list[float], beside: list[float]) -> tuple[int, int]:
    """Count the gaps of the service, and those of the machine."""
    others = hour.gaps_of(beside, 0.0, 10.0, least=EVERY)
    gaps = hour.gaps_of(served, 0.0, 10.0)
    paused = [gap for gap in gaps if hour.is_paused(gap, others)]
    return len(gaps) - len(paused), len(paused)


def test_a_gap_that_the_program_beside_does_not_have_is_the_services(hour: ModuleType) -> None:
    assert counted(hour, answers((3.0, 3.1)), answers()) == (1, 0)


@pytest.mark.parametrize("phase", [0.0, 0.005, 0.015])
def test_a_gap_that_both_have_is_the_machines(hour: ModuleType, phase: float) -> None:
    assert counted(hour, answers((3.0, 3.1)), answers((3.0, 3.1), phase=phase)) == (0, 1)


def test_a_gap_beside_at_another_time_excuses_nothing(hour: ModuleType) -> None:
    assert counted(hour, answers((3.0, 3.1)), answers((5.0, 6.0))) == (1, 0)


def test_a_gap_that_lasts_longer_than_the_machines_is_the_services(hour: ModuleType) -> None:
    assert counted(hour, answers((3.0, 3.2)), answers((3.0, 3.1))) == (1, 0)


def test_a_service_that_never_answers_is_one_gap(hour: ModuleType) -> None:
    assert counted(hour, [], answers()) == (1, 0)
