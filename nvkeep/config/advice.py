"""pydantic's errors in words an administrator can act on. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from nvkeep.config import shape
from nvkeep.config.crossrefs import Loc, Mistake
from nvkeep.model.frozen import TAG
from nvkeep.model.names import shown
from nvkeep.model.spec import BACKENDS, DEFAULT_BACKEND
from nvkeep.reconcilers.backends import register

WORDS = {
    "missing": "missing; add {example}",
    "int_type": "{shown} is not a whole number; write one, as in {example}",
    "int_from_float": "{shown} is not a whole number; write one, as in {example}",
    "int_parsing_size": "{shown} is too large; write one, as in {example}",
    "float_type": "{shown} is not a number; write one, as in {example}",
    "finite_number": "{shown} is not a number; write one, as in {example}",
    "dict_type": "{shown} is not a mapping; write {example}",
    "dataclass_type": "{shown} is not a mapping; write {example}",
    "greater_than_equal": "{shown} is too small; write {ge} or more",
    "less_than_equal": "{shown} is too large; write {le} or less",
    "literal_error": "{shown} is not known; write {example}",
    "string_pattern_mismatch": "{shown} does not look right; write it as in {example}",
    "union_tag_invalid": "{shown} is not known; write one of: {backends}",
}
TOP = {
    "cluster": "cluster: NAME", "hosts": "hosts: and two or more hosts under it",
    "services": "services: and one or more services under it",
    "timing": "timing: {advert: 0.5}", "nvmesh": "nvmesh: {proc: /proc/nvmeibc}", "notify": "notify: {command: [PROGRAM]}",
    "report": "report: /var/www/html/nvkeep.html",
}  # fmt: skip
UNDER = {
    "hosts": "heartbeats: [{interface: eth0, address: 10.0.0.1}] under it",
    "services": "hosts:, volumes: and the rest under it",
}  # fmt: skip
ITEMS = {
    "heartbeats": "{interface: eth0, address: 10.0.0.1}", "volumes": "{name: VOLUME}",
    "mounts": "{volume: VOLUME, path: /srv/SERVICE, fstype: xfs}", "addresses": "{address: 192.168.0.1/24, interface: eth0}",
    "units": "NAME.service", "hosts": "the name of a host", "options": "noatime", "command": "a word in quotes",
    "ping": "an address", "agree": "/etc/exports",
}  # fmt: skip
EXAMPLES = {key: f"{key}: [{ITEMS[key]}]" for key in ("heartbeats", "volumes", "mounts", "addresses", "units", "agree")} | {
    "hosts": "hosts: [FIRST, SECOND]", "name": "name: VOLUME", "volume": "volume: VOLUME", "path": "path: /srv/SERVICE",
    "fstype": "fstype: xfs", "options": "options: [noatime]", "from": "from: nfs/state",
    "address": "address: ADDRESS", "interface": "interface: eth0",
    "label": 'label: "eth0:NAME"', "tcp": "tcp: 2049",
    "command": "command: [PROGRAM, ARGUMENT]",
    "health": "{postgresql: 5432}, {mysql: 3306}, {nfs: 2049}, {http: 80}, {tcp: PORT} or {command: [PROGRAM]}",
    "postgresql": "postgresql: 5432", "mysql": "mysql: 3306", "nfs": "nfs: 2049", "http": "http: 80",
    "expect": 'expect: "220 "',
    "holders": "none, unit or all",
    "failback": 'manual, or {window: "02:00-05:00"}', "ping": "none, or a list of addresses: [192.168.0.254]",
    "window": 'window: "02:00-05:00"', "proc": "proc: /proc/nvmeibc", "router_id": "router_id: 51", "advert": "advert: 0.5",
    "mode": "mode: observe", "rto": "rto: 5", "after": "after: 300", "timeout": "timeout: 30",
    "reconcile": "reconcile: 10", "step": "step: 60", "cooldown": "cooldown: 60",
}  # fmt: skip
WORDY = r"[A-Za-z0-9_./@:, -]{1,60}"  # what can stand in a list as it is
LISTED = ("heartbeats", "volumes", "mounts", "addresses")  # lists of mappings


def mistakes_of(errors: Sequence[ErrorDetails]) -> Iterator[Mistake]:
    """Give each mistake once: not what only follows from another one."""
    meant = {(*plain(error)[:-1], _close(error)) for error in errors if error["type"] == "unexpected_keyword_argument"}
    for error in errors:
        if not (_follows(error, errors) or (error["type"] == "missing" and plain(error) in meant)):
            yield advice(error)


def _follows(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Return whether a list is only too short because of wrong items, which are reported themselves."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc) for other in errors
    )


def advice(error: ErrorDetails) -> Mistake:
    """Give the place, the words, and whether the place is a key."""
    loc, kind, value = plain(error), error["type"], error["input"]
    key = _is_key(error)
    if kind == "nvkeep" and value is not None:
        return _inside(error, loc), error["msg"], key
    if kind in ("unexpected_keyword_argument", "invalid_key"):
        return loc, _unknown_key(error, loc), True
    if kind == "union_tag_invalid":
        loc, value = (*loc, "backend"), value["backend"]
    if kind == "missing":
        return loc, _worded(error, loc, value), False
    if value is None:
        return loc, _no_value(error, loc), True
    special = {"string_type": _not_text, "tuple_type": _not_list, "too_short": _too_short}
    text = special[kind](value, loc) if kind in special else _worded(error, loc, value)
    return loc, text, key or kind == "too_short"


def _inside(error: ErrorDetails, loc: Loc) -> Loc:
    """Find the key that a refusal of a whole mapping speaks of: it quotes the key's value."""
    value = error["input"]
    if not isinstance(value, Mapping):
        return loc
    what = str(error.get("ctx", {}).get("what", ""))
    return next(((*loc, key) for key, text in value.items() if isinstance(text, str) and shown(text) in what), loc)


def _worded(error: ErrorDetails, loc: Loc, value: object) -> str:
    if error["type"] in ("int_type", "float_type") and isinstance(value, str) and _numeric(value):
        return f"{shown(value)} is in quotes; write it without them"
    if error["type"] == "literal_error" and loc[-1] == "ping" and isinstance(value, str) and any(c in value for c in ".:"):
        return _not_list(value, loc)
    context = {name: f"{limit:g}" for name, limit in error.get("ctx", {}).items() if name in ("ge", "le")}
    words = WORDS.get(error["type"], "{shown} is not allowed here; see `nvkeep schema`")
    return words.format(shown=shown(value), example=example(loc), backends=_backends(), **context)


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _no_value(error: ErrorDetails, loc: Loc) -> str:
    if loc[-1] == "backend":
        return f"has no value; write one of: {_backends()}"
    if isinstance(loc[-1], int):
        return f"has no value; write {example(loc)}, or remove the item"
    needed = len(loc) == 2 or any(loc[-1] in node.get("required", ()) for node in _nodes(_tagged(error)[:-1]))  # noqa: PLR2004
    return f"has no value; write {example(loc)}{'' if needed else ', or leave it out'}"


def _not_text(value: object, loc: Loc) -> str:
    if isinstance(value, int | float | date):
        return f"{shown(value)} is not text; put it in quotes"
    return f"{shown(value)} is not text; write {example(loc)}"


def _not_list(value: object, loc: Loc) -> str:
    words = isinstance(value, str) and loc[-1] not in LISTED and re.fullmatch(WORDY, value)
    return f"{shown(value)} is not a list; write {f'[{value}]' if words else example(loc)}"


def _too_short(value: Any, loc: Loc) -> str:  # noqa: ANN401 - a list or mapping of any shape
    return f"{f'has only {len(value)}' if value else 'is empty'}; write {2 if loc[-1] == 'hosts' else 1} or more"


def example(loc: Loc) -> str:
    """Give what may be written at a place."""
    if not loc:
        return "key: value lines"
    if isinstance(loc[-1], int):
        return ITEMS.get(str(loc[-2]), "a value") if len(loc) > 1 else "a value"
    named = {1: TOP.get(str(loc[0])), 2: UNDER.get(str(loc[0]))}.get(len(loc))
    return named or EXAMPLES.get(str(loc[-1])) or _of_backends(str(loc[-1]))


def _of_backends(key: str) -> str:
    """Give what a backend says of a key of its own."""
    return next((backend.examples[key] for backend in register().values() if key in backend.examples), "key: value lines")


def _backends() -> str:
    return ", ".join(sorted(BACKENDS, key=lambda name: (name != DEFAULT_BACKEND, name)))


# --- places -----------------------------------------------------------------------------------------------------------


def _is_key(error: ErrorDetails) -> bool:
    """Return whether pydantic speaks of a key; it then ends the place with a word of its own."""
    return error["loc"][-1:] == ("[key]",) and error["type"] != "unexpected_keyword_argument"


def _tagged(error: ErrorDetails) -> Loc:
    return error["loc"][:-1] if _is_key(error) else error["loc"]


def _is_tag(loc: Loc, index: int) -> bool:
    """Return whether this part of a place is the tag of a union: services.X.volumes.N.~ or services.X.health.~."""
    part = loc[index]
    of_item = index == 4 and loc[2] in ("volumes", "mounts")  # noqa: PLR2004
    of_field = index == 3 and loc[2] in ("health", "failback", "ping")  # noqa: PLR2004
    return isinstance(part, str) and part.startswith(TAG) and loc[0] == "services" and (of_item or of_field)


def plain(error: ErrorDetails) -> Loc:
    """Give the place without the tags of unions and pydantic's own words, which do not stand in the file."""
    loc = _tagged(error)
    return tuple(part for index, part in enumerate(loc) if not _is_tag(loc, index))


def _close(error: ErrorDetails) -> str | None:
    loc = _tagged(error)
    return next(iter(get_close_matches(str(loc[-1]), known_keys(loc[:-1]), 1)), None)


def _unknown_key(error: ErrorDetails, loc: Loc) -> str:
    known, close = known_keys(_tagged(error)[:-1]), _close(error)
    if loc[-1] in known_keys(loc[:-1]):  # a key of another choice of the union
        tag = str(_tagged(error)[-2]).removeprefix(TAG)
        if loc[2] == "volumes":
            return f"not a key of backend {tag}; known there: {', '.join(known)}"
        return f"cannot be combined with {tag}; keep one of the two"
    return f'unknown key; did you mean "{close}"?' if close else f"unknown key; known here: {', '.join(known)}"


def known_keys(loc: Loc) -> list[str]:
    """Name the keys that may stand at a place (with the tags of unions, or all choices without), from the JSON Schema."""
    return sorted({key for node in _nodes(loc) for key in node.get("properties", {})})


def _nodes(loc: Loc) -> list[dict[str, Any]]:
    schema = shape.schema()
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for index, part in enumerate(loc):
        if _is_tag(loc, index):
            nodes = [node for node in nodes if str(part).removeprefix(TAG) in _choice(node)]
        else:
            nodes = [deeper for node in nodes for deeper in _step(node, part, definitions)]
    return nodes


def _choice(node: dict[str, Any]) -> set[str]:
    properties = node.get("properties", {})
    return {*properties, properties.get("backend", {}).get("const", "")}


def _step(node: dict[str, Any], part: str | int, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    below = (
        node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part, node.get("additionalProperties"))
    )
    return _choices(below, definitions) if isinstance(below, dict) else []


def _choices(node: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    alternatives = node.get("oneOf") or node.get("anyOf") or []
    return [choice for alternative in alternatives for choice in _choices(alternative, definitions)] or [node]
