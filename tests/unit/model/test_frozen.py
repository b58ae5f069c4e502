"""A class made by `frozen` does what one made by `dataclass(frozen=True)` does."""

import copy
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from nvkeep.model.frozen import frozen


class Fields:
    """A class."""

    name: str
    at: float = 0.5
    seen: list[str] = field(default_factory=list)
    detail: str = field(default="", compare=False)


def made(decorator: Any) -> Any:  # noqa: ANN401 - either of the two
    """Make the class by one of them."""
    return decorator(type("Fields", (), {name: part for name, part in vars(Fields).items() if name != "__dict__"}))


OURS, THEIRS = made(frozen), made(dataclass(frozen=True))


@frozen
class Above:
    """A class."""

    name: str = "a"


@frozen
class Below(Above):
    """One that extends it."""

    also: int = 1

    def __post_init__(self) -> None:
        if self.also < 0:
            raise ValueError("below nothing")


@pytest.mark.parametrize(
    ("args", "given"),
    [
        (("a",), {}), (("a", 1.0), {}), ((), {"name": "a", "detail": "b"}), (("a", 1.0, ["x"], "y"), {}), (("a",), {"at": 2}),
        ((), {}), (("a", 1.0, [], "y", "z"), {}), (("a",), {"name": "b"}), (("a",), {"else_": 1}), ((), {"at": 1.0}),
    ],
)  # fmt: skip
def test_what_it_takes_and_refuses(args: tuple[Any, ...], given: dict[str, Any]) -> None:
    results: list[Any] = []
    for kind in (OURS, THEIRS):
        try:
            value = kind(*args, **given)
            results.append((repr(value), asdict(value), list(vars(value))))
        except TypeError:
            results.append(None)
    assert results[0] == results[1]


def test_what_is_equal_and_what_is_not() -> None:
    for kind in (OURS, THEIRS):
        assert kind("a", detail="x") == kind("a", detail="y")
        assert kind("a") != kind("b")
        assert kind("a") != ("a", 0.5, [], "")
        with pytest.raises(TypeError, match="unhashable"):
            hash(kind("a"))
    assert OURS("a") != THEIRS("a")
    assert len({Below("a"), Below("a"), Below("b"), Above("a")}) == 3
    assert Above("a") != Below("a")


def test_nothing_of_it_changes() -> None:
    value = OURS("a")
    with pytest.raises(FrozenInstanceError):
        value.name = "b"
    with pytest.raises(FrozenInstanceError):
        del value.name
    assert replace(value, name="b") == OURS("b")
    assert value == OURS("a")
    assert value.seen is not OURS("a").seen


def test_a_class_extends_another_and_checks_itself() -> None:
    assert [part.name for part in fields(Below)] == ["name", "also"]
    assert repr(Below("b")) == "Below(name='b', also=1)"
    assert copy.copy(Below("b", 2)) == Below("b", 2)
    with pytest.raises(ValueError, match="below nothing"):
        Below(also=-1)
