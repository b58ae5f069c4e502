"""The base of everything that cluster.yaml may say, and what a key of it may hold.

pydantic asks these marks how to check a value, when a file is read. They import nothing of it before: whoever works with a
configuration that was read already (config/kept) starts a third faster.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, ClassVar, dataclass_transform

# Tags start with TAG, so that a place in an error (pydantic puts tags into it) can be distinguished from a place in the file.
TAG = "~"


def key(name: str) -> str:
    """Give the key that a field has in the file; a word of Python's own has an underscore behind it in the code."""
    return name.removesuffix("_")


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Frozen:
    """Base of everything read from YAML, each a frozen dataclass: unknown keys refused, no silent conversions."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {
        "extra": "forbid", "strict": True, "allow_inf_nan": False, "alias_generator": key
    }  # fmt: skip

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)

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
