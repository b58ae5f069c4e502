"""YAML with places: text to a document, a document to text, and where in the text something stands.

The only user of ruamel.yaml. Changes nothing.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from nvkeep.config import LARGEST_BYTES, TOO_LARGE
from nvkeep.config.crossrefs import Loc
from nvkeep.errors import Problem, clean
from nvkeep.model.names import shown

DEEPEST = 40  # levels of nesting; a cluster.yaml has six
BREAK = re.compile("\r\n|[\n\r]")
EXAMPLE = "examples/cluster.yaml"
BROKEN = (ValueError, TypeError, AttributeError, LookupError, RecursionError, AssertionError, NotImplementedError,
          OverflowError)  # what ruamel's constructors raise for nodes that are not what they look like  # fmt: skip
# What ruamel says, and what to say instead. The second word tells which of its two places is the better one.
SAID = {
    r"'\\t' that cannot start": ("a tab in the indentation; write spaces", "problem"),
    r"character '(.*)' that cannot start": ("text cannot start with {0}; put it in quotes", "problem"),
    r"another document": ("a second document begins here; keep one, and remove the --- between them", "problem"),
    r"expected <block end>": ("indented unlike the lines before it; indent it like its neighbours", "problem"),
    r"undefined alias": ("there is no anchor for the alias *{alias}; write &{alias} where its value stands first", "problem"),
    r"unexpected end of stream": ("a quote is opened here and never closed; close it", "context"),
    r"expected ',' or '(.)'": ("a list or mapping is opened here and not closed; close it with {0}", "context"),
    r"mapping values are not allowed": ("a key is not allowed here; look for a missing : or a space after it", "problem"),
    r"could not find expected ':'": ("a key without its colon; write key: value", "context"),
    r"for merging": ("<<: takes the alias of a mapping; write <<: *NAME", "problem"),
    r"depth|nest": ("nested too deeply for a cluster.yaml; write fewer levels", "problem"),
    r"refers to itself|cannot be read": ("{said}; write plain words and numbers", "problem"),
}


def _lines(text: str) -> list[str]:
    """Split as YAML 1.2 does, and as ruamel counts."""
    return BREAK.split(text)


def position(text: str, offset: int) -> tuple[int, int]:
    """Give line and column, from 1, of a character."""
    before = _lines(text[:offset])
    return len(before), len(before[-1]) + 1


def inside(text: str, problem: Problem) -> Problem:
    """Give a place after the end of a file the end of its last line: what is missing there is missing after it."""
    lines = _lines(text)
    last = len(lines) - (len(lines) > 1 and not lines[-1])
    line = min(problem.line, last)
    end = len(lines[line - 1]) + 1
    return problem._replace(line=line, column=min(problem.column, end) if line == problem.line else end)


class _Noting(YAML):
    """A loader with a place for what its constructor notes."""

    duplicates: list[tuple[Any, Any, int, int]]

    def load(self, stream: Any) -> Any:  # noqa: ANN401 - ruamel's own signature
        """Load, and start a new note."""
        self.duplicates = []
        return super().load(stream)


class _Constructor(RoundTripConstructor):
    """Notes duplicate keys instead of stopping at the first, and gives every node that cannot be read its place."""

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:  # noqa: ANN401, ARG002 - ruamel's own signature
        try:
            fresh = key not in mapping
        except TypeError:
            return True
        if not fresh:
            mark = key_node.start_mark
            self.loader.duplicates.append((mapping, key, mark.line + 1, mark.column + 1))
        return fresh

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401 - ruamel's own signature
        if node in self.recursive_objects:
            raise MarkedYAMLError(problem="refers to itself", problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except BROKEN as error:
            raise MarkedYAMLError(problem="a value that cannot be read", problem_mark=node.start_mark) from error


def read(text: str) -> tuple[Mapping[Any, Any] | None, list[Problem]]:
    """Read a mapping and note what is wrong with it as YAML; None when it is none."""
    if len(text) > LARGEST_BYTES:
        return None, [Problem(1, 1, "", TOO_LARGE)]
    yaml = _Noting(typ="rt", pure=True)
    yaml.max_depth = DEEPEST
    yaml.Constructor = _Constructor
    try:
        document = yaml.load(text)
    except YAMLError as error:
        return None, [_syntax(error, text)]
    except BROKEN:
        return None, [Problem(1, 1, "", f"not YAML; start from {EXAMPLE}")]
    if document is None:
        return None, [Problem(1, 1, "", f"the file is empty; start from {EXAMPLE}")]
    if not isinstance(document, dict):
        return None, [Problem(1, 1, "", f"{shown(document)} is not a mapping; start from {EXAMPLE}")]
    return document, [_duplicate(document, *noted) for noted in yaml.duplicates]


def _duplicate(document: Mapping[Any, Any], mapping: object, key: object, line: int, column: int) -> Problem:
    loc = (*(_find(document, mapping) or ()), _name(key))
    return Problem(line, column, dotted(loc), "is set here a second time; keep one of the two")


def _find(node: object, wanted: object, seen: frozenset[int] = frozenset()) -> Loc | None:
    """Find the place of a mapping in a document that may contain itself."""
    if node is wanted:
        return ()
    if id(node) in seen or not isinstance(node, dict | list):
        return None
    below = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in below:
        inside = _find(value, wanted, seen | {id(node)})
        if inside is not None:
            return (key if isinstance(node, list) else _name(key), *inside)
    return None


def _syntax(error: YAMLError, text: str) -> Problem:
    if isinstance(error, ReaderError):
        place = position(text, error.position)
        return Problem(
            *place, "", f"the character {shown(text[error.position : error.position + 1])} is not allowed in YAML; remove it"
        )
    problem = (error.problem if isinstance(error, MarkedYAMLError) else None) or str(error).partition("\n")[0]
    words, which = _reworded(problem)
    mark = getattr(error, f"{which}_mark", None) or getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(line, column, "", f"not YAML: {clean(words)}")


def _reworded(problem: str) -> tuple[str, str]:
    for pattern, (words, which) in SAID.items():
        match = re.search(pattern, problem)
        if match:
            return words.format(*match.groups(), said=problem, alias=problem.partition("'")[2].rstrip("'")), which
    return f"{problem}; fix the indentation or quotes here", "problem"


def dotted(loc: Loc, document: object = None) -> str:
    """Write a place as people read it: services.nfs.mounts[0].path."""
    parts = []
    node = document
    for part in loc:
        if isinstance(node, Mapping):
            parts.append(f".{clean(_name(_key(node, part)))}")
        else:
            parts.append(f"[{part}]" if isinstance(part, int) else f".{clean(part)}")
        node = _below(node, part)
    return "".join(parts).lstrip(".")


def _name(key: object) -> str:
    """Write a key as the file does."""
    return key if isinstance(key, str) else shown(key)


def _key(node: Mapping[Any, Any], part: object) -> object:
    """Find the key that a part of a place means: pydantic writes keys that are no text in its own way."""
    if part in node:
        return part
    return next((key for key in node if str(key) == str(part) or repr(key) == str(part)), part)


def _below(node: object, part: str | int) -> object:
    if isinstance(node, Mapping):
        return node.get(_key(node, part))
    if isinstance(node, Sequence) and isinstance(part, int) and 0 <= part < len(node):
        return node[part]
    return None


def where(document: Any, loc: Loc, *, on_key: bool = False) -> tuple[int, int]:  # noqa: ANN401 - any YAML node
    """Find the line and column (from 1) of a place in a loaded document; of the nearest parent where it has none."""
    node = document
    line, column = _start(document)
    for index, part in enumerate(loc):
        below = _below(node, part)
        with contextlib.suppress(AttributeError, KeyError, TypeError):  # merged keys (<<) have no place of their own
            line, column = _place(node, part, below, on_key=on_key and index == len(loc) - 1)
        node = below
    return line + 1, column + 1


def _place(node: Any, part: str | int, below: object, *, on_key: bool) -> tuple[int, int]:  # noqa: ANN401 - any YAML node
    if isinstance(node, Mapping):
        key = _key(node, part)
        at = node.lc.key(key) if on_key or below is None else node.lc.value(key)  # type: ignore[attr-defined]
    elif below is None:
        raise KeyError(part)  # an empty item has the place of what follows it; its list has a better one
    else:
        at = node.lc.item(part)
    return (at[0], at[1])


def _start(document: Any) -> tuple[int, int]:  # noqa: ANN401 - any YAML node
    lc = getattr(document, "lc", None)
    return (lc.line or 0, lc.col or 0) if lc else (0, 0)


def write(whole: Mapping[str, Any], stream: TextIO) -> None:
    """Write plain data as YAML."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(whole, stream)
