"""pydantic's errors in words an administrator can act on. Pure."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from nvkeep.crossrefs import Loc, Mistake
from nvkeep.model.spec import BACKENDS, TAG, Cluster

WORDS = {
    "missing": "missing; add it{example}",
    "string_type": "{shown} is not text; put it in quotes",
    "int_type": "{shown} is not a whole number; write one, like 2049",
    "int_from_float": "{shown} is not a whole number; write one, like 2049",
    "float_type": "{shown} is not a number; write one, like 0.5",
    "finite_number": "{shown} is not a number; write one, like 0.5",
    "tuple_type": "{shown} is not a list; write it as a list: [a, b]",
    "dict_type": "{shown} is not a mapping; write it as key: value lines",
    "model_type": "{shown} is not a mapping; write it as key: value lines",
    "model_attributes_type": "{shown} is not a mapping; write it as key: value lines",
    "too_short": "has {actual_length}; it needs at least {min_length}",
    "greater_than_equal": "{shown} is too small; write {ge} or more",
    "less_than_equal": "{shown} is too large; write {le} or less",
    "literal_error": "{shown} is not known; write {expected}",
    "string_pattern_mismatch": "{shown} does not look right; write it like {example}",
    "union_tag_invalid": "backend {tag} is not known; write one of: {backends}",
}
EXAMPLES = {
    "cluster": ": cluster: NAME",
    "hosts": ": hosts: with two or more hosts", "services": ": services: with one or more services",
    "heartbeats": ": heartbeats: [{interface: eth0, address: 10.0.0.1}]", "volumes": ": volumes: [{name: VOLUME}]",
    "name": ": name: VOLUME", "volume": ": volume: VOLUME", "path": ": path: /srv/SERVICE", "fstype": ": fstype: xfs",
    "address": ": address: ADDRESS", "interface": ": interface: eth0", "file": ": file: /path/of/the/image",
    "tcp": ": tcp: PORT", "window": '"02:00-05:00"', "proc": "/proc/nvmeibc", "command": ": command: [PROGRAM, ARGUMENT]",
}  # fmt: skip
SHOWN = 60  # characters of a value that an error repeats


def advice(error: ErrorDetails) -> Mistake:
    """Give the place, the words, and whether the place is a key."""
    loc = plain(error["loc"])
    kind = error["type"]
    if kind == "nvkeep":
        return loc, error["msg"], error["loc"][-1:] == ("[key]",)
    if kind == "extra_forbidden":
        return loc, _unknown_key(loc), True
    words = WORDS.get(kind, "{said}; see `nvkeep schema`")
    return loc, words.format_map(_Blanks(error, loc)), kind == "missing"


class _Blanks(dict[str, object]):
    def __init__(self, error: ErrorDetails, loc: Loc) -> None:
        context = error.get("ctx", {})
        super().__init__(context, said=error["msg"], shown=show(error["input"]), backends=", ".join(sorted(BACKENDS)))
        self["example"] = EXAMPLES.get(str(loc[-1]) if loc else "", "")
        self["tag"] = str(context.get("tag", "")).lstrip(TAG)
        for limit in ("ge", "le"):
            if limit in context:
                self[limit] = f"{context[limit]:g}"

    def __missing__(self, key: str) -> str:
        return f"({key})"


def show(value: object) -> str:
    """Repeat a value from the file, shortened, as the file would spell it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value) if isinstance(value, int | float) else _shape(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _shape(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def plain(loc: tuple[str | int, ...]) -> Loc:
    """Drop the tags of unions and pydantic's own words, which stand in its places but not in the file."""
    return tuple(part for part in loc if not (isinstance(part, str) and (part.startswith(TAG) or part == "[key]")))


def _unknown_key(loc: Loc) -> str:
    known = known_keys(loc[:-1])
    close = get_close_matches(str(loc[-1]), known, 1)
    return f'unknown key; did you mean "{close[0]}"?' if close else f"unknown key; known here: {', '.join(known)}"


def known_keys(loc: Loc) -> list[str]:
    """Name the keys that may stand at a place, from the JSON Schema."""
    schema = Cluster.model_json_schema()
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for part in loc:
        nodes = [deeper for node in nodes for deeper in _step(node, part, definitions)]
    return sorted({key for node in nodes for key in node.get("properties", {})})


def _step(node: dict[str, Any], part: str | int, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    below = (
        node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part, node.get("additionalProperties"))
    )
    return _choices(below, definitions) if isinstance(below, dict) else []


def _choices(node: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    alternatives = node.get("oneOf") or node.get("anyOf") or []
    return [choice for one in alternatives for choice in _choices(one, definitions)] or [node]
