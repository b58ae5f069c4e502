"""Writes what is derived from the code: man page, completions, and the table of all keys (`make generate`; a test compares)."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pydantic import TypeAdapter

from nvkeep import __version__
from nvkeep.cli import GROUPS, LEGACY, VERBS
from nvkeep.config.shape import schema
from nvkeep.model.consistency import Compared
from nvkeep.status.service import ServiceStatus

MAN, BASH, ZSH = "packaging/man/nvkeep.8", "packaging/completions/nvkeep", "packaging/completions/_nvkeep"
KEYS, STATUS = "docs/keys.md", "docs/status.schema.json"
BACKENDS = "backend"
SERVICES = "sed -n '/^services:/,/^[^ #]/s/^  \\([A-Za-z][A-Za-z0-9_-]*\\):.*/\\1/p' /etc/nvkeep/cluster.yaml 2>/dev/null"


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Give the parser of each command."""
    for verb in VERBS:
        command = import_module(f"nvkeep.legacy.{LEGACY[verb]}" if verb in LEGACY else f"nvkeep.cli.{verb}")
        parser = argparse.ArgumentParser(prog=f"nvkeep {verb}", description=VERBS[verb], epilog=command.__doc__)
        command.options(parser)
        yield verb, parser


def usage(parser: argparse.ArgumentParser) -> str:
    """Write it on one line, however wide the terminal is."""
    return " ".join(parser.format_usage().removeprefix("usage: ").split())


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """List the options that are shown."""
    shown = (action for action in parser._actions if action.help != argparse.SUPPRESS)  # noqa: SLF001 - argparse has no other way
    return [action for action in shown if action.option_strings]


# --- the man page -----------------------------------------------------------------------------------------------------


def man() -> str:
    """Write nvkeep(8)."""
    parts = [
        f'.TH NVKEEP 8 "" "nvkeep {__version__}" "System administration"',
        ".SH NAME",
        "nvkeep \\- keeps a service alive on servers that share a block volume",
        ".SH SYNOPSIS",
        ".B nvkeep",
        ".I COMMAND",
        "[\\fIOPTION\\fR]...",
    ]
    every = dict(parsers())
    for group, verbs in GROUPS.items():
        parts += [f".SH {group.upper()}"]
        for verb in verbs:
            parts += [".SS " + _roff(usage(every[verb])), *_command(every[verb])]
    return "\n".join([*parts, *_files()]) + "\n"


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    does = str(parser.description)
    yield _roff(f"{does[0].upper()}{does[1:]}.")
    for action in options(parser):
        if action.help and action.dest != "help":
            names = ", ".join(action.option_strings) + (f" {action.metavar}" if action.metavar else "")
            yield from (".TP", f".B {_roff(names)}", _roff(str(action.help) % {"default": action.default}))
    yield from (".PP", ".nf", *map(_roff, (parser.epilog or "").strip().split("\n")), ".fi")


def _files() -> list[str]:
    return [
        ".SH FILES", ".TP", ".B /etc/nvkeep/cluster.yaml", "the desired state, the same on every host",
        ".TP", ".B /var/log/nvkeep/actions.log", "what nvkeep did",
        ".TP", ".B /var/log/nvkeep/event_handler.log", "what keepalived said",
        ".SH SEE ALSO", ".BR keepalived (8), \\ systemctl (1)",
    ]  # fmt: skip


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


# --- completions ------------------------------------------------------------------------------------------------------


def words() -> dict[str, list[str]]:
    """List the long options of each command, those of one letter where it has no other."""
    return {verb: [action.option_strings[-1] for action in options(parser)] for verb, parser in parsers()}


def bash() -> str:
    """Write the completion for bash: commands, their options, and services from cluster.yaml."""
    cases = "\n".join(f"        {verb}) words='{' '.join(every)}' ;;" for verb, every in words().items())
    return f"""\
# bash completion for nvkeep
_nvkeep() {{
    local words
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '{" ".join(VERBS)}' -- "$2")
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    case $2 in
        -*) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$(_nvkeep_services)" -f -- "$2") ;;
    esac
}}

# The services of cluster.yaml: keys that stand two blanks in, below `services:`.
_nvkeep_services() {{
    {SERVICES}
}}
complete -F _nvkeep nvkeep
"""


def zsh() -> str:
    """Write the completion for zsh."""
    every = "\n".join(f"        '{verb}:{_quoted(does)}'" for verb, does in VERBS.items())
    cases = "\n".join(f"        {verb}) options=({' '.join(listed)}) ;;" for verb, listed in words().items())
    return f"""\
#compdef nvkeep
# zsh completion for nvkeep
_nvkeep() {{
    local -a verbs options services
    verbs=(
{every}
    )
    if (( CURRENT == 2 )); then
        _describe command verbs
        return
    fi
    case $words[2] in
{cases}
    esac
    services=(${{(f)"$({SERVICES})"}})
    if [[ $PREFIX == -* ]]; then
        compadd -- $options
    else
        compadd -- $services
        _files
    fi
}}
_nvkeep "$@"
"""


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''").replace(":", "\\:")


# --- every key --------------------------------------------------------------------------------------------------------


def keys() -> str:
    """Write the table of every key, from the schema."""
    whole = schema()
    rows = "\n".join(dict.fromkeys(f"| `{path}` | {kind} | {default} |" for path, kind, default in _keys(whole, whole, "")))
    return f"""\
# Every key of cluster.yaml

Written from the model by `make generate`. What each key means: docs/configuration.md; of a backend: docs/backends.md.

| key | value | default |
| --- | --- | --- |
{rows}
"""


def _keys(whole: dict[str, Any], part: dict[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    for name, value in part.get("properties", {}).items():
        path = f"{above}{name}"
        default = value.get("default")
        shown = "" if default in (None, [], {}) else f"`{_shown(default)}`"
        yield path, _kind(whole, value), "required" if name in part.get("required", ()) else shown
        yield from _below(whole, value, path)


def _below(whole: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for choice in _choices(whole, value):
        if isinstance(more := choice.get("additionalProperties"), dict):
            yield from _keys(whole, _resolved(whole, more), f"{path}.NAME.")
        elif "items" in choice:
            for item in _choices(whole, choice["items"]):
                mark = item.get("properties", {}).get(BACKENDS, {}).get("const")
                yield from _keys(whole, item, f"{path}[{mark or ''}].")
        else:
            yield from _keys(whole, choice, f"{path}.")


def _resolved(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    return dict(whole["$defs"][part["$ref"].rpartition("/")[2]]) if "$ref" in part else part


def _choices(whole: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    part = _resolved(whole, part)
    several = part.get("anyOf") or part.get("oneOf")
    return [one for choice in several for one in _choices(whole, choice)] if several else [part]


def _kind(whole: dict[str, Any], value: dict[str, Any]) -> str:
    return " or ".join(dict.fromkeys(filter(None, (_one(choice) for choice in _choices(whole, value)))))


def _one(choice: dict[str, Any]) -> str:
    if "const" in choice or "enum" in choice:
        return ", ".join(f"`{word}`" for word in choice.get("enum", [choice.get("const")]))
    kind = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "null": ""}.get(
        choice.get("type", ""), choice.get("type", "")
    )
    least, most = choice.get("minimum"), choice.get("maximum")
    return f"{kind} from {least:g} to {most:g}" if least is not None and most is not None else kind


def _shown(value: object) -> str:
    return re.sub(r"'", "", str(value)) if isinstance(value, dict) else f"{value:g}" if isinstance(value, float) else str(value)


# --- the JSON of status -----------------------------------------------------------------------------------------------


def status() -> str:
    """Write the JSON Schema of `nvkeep status --json`, with and without --all; new keys may appear."""
    every = TypeAdapter(ServiceStatus).json_schema(ref_template="#/$defs/{model}")
    parts = every.pop("$defs")
    compared = TypeAdapter(Compared).json_schema(ref_template="#/$defs/{model}")
    parts |= compared.pop("$defs")
    unheard = {"type": "object", "properties": {"unheard": {"type": "string"}}, "required": ["unheard"]}
    hosts = {"type": "object", "additionalProperties": {"anyOf": [{"$ref": "#/$defs/ServiceStatus"}, unheard]}}
    service = {
        "type": "object",
        "properties": {
            "summary": {"$ref": "#/$defs/Summary"},
            "sentence": {"type": "string"},
            "served_by": {"type": "array", "items": {"type": "string"}},
            "hosts": hosts,
        },
        "required": ["summary", "sentence", "served_by", "hosts"],
    }
    agreement = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Compared"}}
    everywhere = {
        "type": "object",
        "properties": {"services": {"type": "object", "additionalProperties": service}, "agreement": agreement},
        "required": ["services", "agreement"],
    }
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nvkeep status --json: a list, of this host; with --all an object, of every host",
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/ServiceStatus"}}, everywhere],
        "$defs": parts | {"ServiceStatus": every, "Compared": compared},
    }
    return json.dumps(whole, indent=2) + "\n"


MADE = {MAN: man, BASH: bash, ZSH: zsh, KEYS: keys, STATUS: status}


def main() -> None:
    """Write all of them."""
    for path, make in MADE.items():
        (ROOT / path).write_text(make())


if __name__ == "__main__":
    main()
