"""Frozen dataclasses; the base of everything that cluster.yaml may say, and what a key of it may hold.

pydantic asks these marks how to check a value, when a file is read. They import nothing of it before: whoever works with a
configuration that was read already (config/kept) starts a third faster.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from ipaddress import IPv4Address, IPv6Address
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple, NoReturn, TypeVar, dataclass_transform

C = TypeVar("C", bound=type)

# Tags start with TAG, so that a place in an error (pydantic puts tags into it) can be distinguished from a place in the file.
TAG = "~"


def key(name: str) -> str:
    """Give the key that a field has in the file; a word of Python's own has an underscore behind it in the code."""
    return name.removesuffix("_")


class _Shape(NamedTuple):
    """What the methods of a class need to know of its fields, in their order; `blank` has their defaults."""

    blank: dict[str, Any]
    required: tuple[str, ...]
    made: tuple[tuple[str, Callable[[], Any]], ...]
    compared: Callable[[dict[str, Any]], object]


SHAPES: dict[type, _Shape] = {}


def _shape(kind: type) -> _Shape:
    known: tuple[Field[Any], ...] = fields(kind)
    blank = {part.name: part.default for part in known}
    made = tuple((part.name, part.default_factory) for part in known if part.default_factory is not MISSING)
    required = tuple(name for name, default in blank.items() if default is MISSING and name not in dict(made))
    return _Shape(blank, required, made, itemgetter(*(part.name for part in known if part.compare)))


def _init(self: object, *args: object, **given: object) -> None:
    shape, values = SHAPES[type(self)], vars(self)  # not through __setattr__, which refuses
    values.update(shape.blank)
    if args:
        by_position = dict(zip(shape.blank, args, strict=False))
        if by_position.keys() & given or len(by_position) != len(args):
            _misfit(self)
        values.update(by_position)
    values.update(given)
    for name, make in shape.made:
        if values[name] is MISSING:
            values[name] = make()
    for name in shape.required:
        if values[name] is MISSING:
            _misfit(self)
    if len(values) != len(shape.blank):
        _misfit(self)
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _misfit(self: object) -> NoReturn:
    raise TypeError(f"{type(self).__name__} takes {', '.join(SHAPES[type(self)].blank)}, each once")


def _equal(self: object, other: object) -> bool:
    compared = SHAPES[type(self)].compared
    return compared(vars(self)) == compared(vars(other)) if type(self) is type(other) else NotImplemented


def _hash(self: object) -> int:
    return hash(SHAPES[type(self)].compared(vars(self)))


def _text(self: object) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={vars(self)[name]!r}' for name in SHAPES[type(self)].blank)})"


def _refuse(self: object, name: str, *_: object) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be changed")


METHODS = {
    "__init__": _init, "__eq__": _equal, "__hash__": _hash, "__repr__": _text,
    "__setattr__": _refuse, "__delattr__": _refuse,
}  # fmt: skip


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: C) -> C:
    """Make a frozen dataclass, with the same methods for every class.

    `dataclass(frozen=True)` writes and compiles six methods for each: for fifty classes a fifth of the time of a command.
    """
    dataclass(init=False, repr=False, eq=False)(kind)
    SHAPES[kind] = _shape(kind)
    for name in METHODS.keys() - vars(kind).keys():
        setattr(kind, name, METHODS[name])
    return kind


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Frozen:
    """Base of everything read from YAML, each a frozen dataclass: unknown keys refused, no silent conversions."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {
        "extra": "forbid", "strict": True, "allow_inf_nan": False, "alias_generator": key
    }  # fmt: skip

    def __init_subclass__(cls) -> None:
        frozen(cls)

    def plain(self) -> dict[str, Any]:
        """Give what the file would say, defaults filled in: mappings, lists, words and numbers."""
        return {key(name): _plain(value) for name, value in vars(self).items()}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's own signature
        schema = handler(source)
        handler.resolve_ref_schema(schema)["strict"] = False  # a mapping of YAML is no instance
        return schema


def _plain(value: object) -> object:
    if isinstance(value, Frozen):
        return value.plain()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, IPv4Address | IPv6Address) else value


class Limits:
    """Bounds of a value, by pydantic's names: ge, le, pattern, min_length, max_length; strict=False: a list is a tuple."""

    def __init__(self, **bounds: object) -> None:
        self.bounds = bounds

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's own signature
        return {**handler(source), **self.bounds}


class Checked:
    """A check of a value that has the right type; it gives the value, or raises what names.wrong() builds."""

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self.check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's own signature
        from pydantic_core import core_schema  # noqa: PLC0415 - only who reads a file needs it

        return core_schema.no_info_after_validator_function(self.check, handler(source))


class Parsed:
    """Text of the file that stands for something: `parse` gives it, or raises what names.wrong() builds; str() writes it."""

    def __init__(self, parse: Callable[[object], Any]) -> None:
        self.parse = parse

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> Any:  # noqa: ANN401 - pydantic's own signature
        from pydantic_core import core_schema  # noqa: PLC0415 - only who reads a file needs it

        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, str]:  # noqa: ANN401 - pydantic's own signature
        return {"type": "string"}


class OneOf:
    """One of several shapes: `choose` names the one that is meant."""

    def __init__(self, choose: Callable[[Any], str], shapes: Mapping[str, Any]) -> None:
        self.choose = choose
        self.shapes = shapes

    def __get_pydantic_core_schema__(self, _source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's own signature
        from pydantic_core import core_schema  # noqa: PLC0415 - only who reads a file needs it

        choices = {f"{TAG}{name}": handler.generate_schema(shape) for name, shape in self.shapes.items()}
        return core_schema.tagged_union_schema(choices, lambda value: f"{TAG}{self.choose(value)}")
