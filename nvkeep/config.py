"""cluster.yaml -> Cluster. Every mistake at once, each as file:line:column: path: what is wrong; what to write instead.

The only user of ruamel.yaml. Changes nothing.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from nvkeep.advice import advice
from nvkeep.crossrefs import Loc, cross_references
from nvkeep.errors import ConfigError, Problem, UnsafeFile
from nvkeep.model.spec import BACKENDS, DEFAULT_BACKEND, Cluster
from nvkeep.reconcilers import backends

DEFAULT_FILE = "/etc/nvkeep/cluster.yaml"
LARGEST = 1024 * 1024  # bytes; a cluster.yaml has a few thousand
DEEPEST = 40  # levels of nesting; a cluster.yaml has six
BROKEN_SCALARS = (ValueError, TypeError, AttributeError, LookupError, RecursionError, AssertionError, NotImplementedError,
                  OverflowError)  # what ruamel's constructors raise for scalars that are not what they look like  # fmt: skip


def load(path: str) -> Cluster:
    """Read and check cluster.yaml.

    Raises ConfigError with every problem found, UnsafeFile when others than its owner and root can write it.
    """
    _refuse_unsafe(path)
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(LARGEST + 1)
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(path, [Problem(*_position(data, error.start), "", "not UTF-8; save the file as UTF-8")]) from None
    except OSError as error:
        raise ConfigError(path, [Problem(1, 1, "", f"{error.strerror}; name the file with -f FILE")]) from None
    return parse(text, path)


def _position(data: bytes, offset: int) -> tuple[int, int]:
    return data.count(b"\n", 0, offset) + 1, offset - data.rfind(b"\n", 0, offset)


def _refuse_unsafe(path: str) -> None:
    try:
        seen = Path(path).stat()
    except OSError:
        return  # reading it tells why, with the same words as for any other file
    if not stat.S_ISREG(seen.st_mode):
        raise UnsafeFile(f"{path} is not a plain file; name one with -f FILE")
    if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafeFile(f"{path} can be written by others, and nvkeep acts on it as root; chmod go-w {path}")


def parse(text: str, name: str = "cluster.yaml") -> Cluster:
    """Turn the text of a cluster.yaml into a Cluster. Raises ConfigError."""
    backends.register()
    document, problems = _document(text, name)
    if document is None:
        raise ConfigError(name, problems)
    problems += [_problem(document, loc, text, on_key=on_key) for loc, text, on_key in _mistakes(document)]
    if problems:
        raise ConfigError(name, list(dict.fromkeys(problems)))
    return Cluster.model_validate(document)


def _mistakes(document: Mapping[Any, Any]) -> Iterator[tuple[Loc, str, bool]]:
    try:
        Cluster.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False)
        for one in found:
            if not _follows(one["loc"], found, one["type"]):
                yield advice(one)
    yield from cross_references(document)


def _follows(loc: tuple[int | str, ...], found: list[ErrorDetails], kind: str) -> bool:
    """Tell whether a list is only too short because of wrong items, which are told themselves."""
    return kind == "too_short" and any(other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc) for other in found)


class _Noting(YAML):
    """A loader with a place for what its constructor notes."""

    duplicates: list[tuple[int, int, str]]

    def load(self, stream: Any) -> Any:  # noqa: ANN401 - ruamel's own signature
        """Load, and start a new note."""
        self.duplicates = []
        return super().load(stream)


class _Constructor(RoundTripConstructor):
    """Notes duplicate keys instead of stopping at the first."""

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:  # noqa: ANN401, ARG002 - ruamel's own signature
        try:
            fresh = key not in mapping
        except TypeError:
            return True
        if not fresh:
            mark = key_node.start_mark
            self.loader.duplicates.append((mark.line + 1, mark.column + 1, str(key)))
        return fresh


def _document(text: str, name: str) -> tuple[Mapping[Any, Any] | None, list[Problem]]:
    if len(text) > LARGEST:
        return None, [Problem(1, 1, "", f"larger than {LARGEST} bytes; this is not a cluster.yaml")]
    yaml = _Noting(typ="rt", pure=True)
    yaml.max_depth = DEEPEST
    yaml.Constructor = _Constructor
    try:
        document = yaml.load(text)
    except YAMLError as error:
        return None, [_syntax(error)]
    except BROKEN_SCALARS as error:
        return None, [Problem(1, 1, "", f"YAML that cannot be read: {_first_line(error)}; write plain words and numbers")]
    problems = [
        Problem(line, column, key, "stands here a second time; keep one of the two") for line, column, key in yaml.duplicates
    ]
    if not isinstance(document, dict):
        return None, [Problem(1, 1, "", f"{name} is not a mapping; start from examples/nfs.yaml")]
    return document, problems


def _syntax(error: YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = error.problem if isinstance(error, MarkedYAMLError) else None
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(line, column, "", f"not YAML: {said or _first_line(error)}; mend the indentation or quotes here")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _problem(document: Mapping[Any, Any], loc: Loc, text: str, *, on_key: bool) -> Problem:
    line, column = where(document, loc, on_key=on_key)
    return Problem(line, column, dotted(loc), text)


def dotted(loc: Loc) -> str:
    """Write a place as people read it: services.nfs.mounts[0].path."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def where(document: Any, loc: Loc, *, on_key: bool = False) -> tuple[int, int]:  # noqa: ANN401 - any YAML node
    """Find the line and column (from 1) of a place in a loaded document; of the nearest parent where it has none."""
    node = document
    line, column = _start(document)
    for index, part in enumerate(loc):
        try:
            if isinstance(node, Mapping):
                at = node.lc.key(part) if on_key and index == len(loc) - 1 else node.lc.value(part)  # type: ignore[attr-defined]
            elif isinstance(node, Sequence) and isinstance(part, int):
                at = node.lc.item(part)  # type: ignore[attr-defined]
            else:
                break
            line, column = at
        except (AttributeError, KeyError, TypeError):
            pass  # merged keys (<<) have no place of their own
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return line + 1, column + 1


def _start(document: Any) -> tuple[int, int]:  # noqa: ANN401 - any YAML node
    lc = getattr(document, "lc", None)
    return (lc.line or 0, lc.col or 0) if lc else (0, 0)


def known_backends() -> str:
    """Name the backends that can be written after `backend:`, the default first."""
    backends.register()
    return ", ".join(sorted(BACKENDS, key=lambda name: (name != DEFAULT_BACKEND, name)))
