"""The text of a cluster.yaml -> Cluster, and back. Every mistake at once, each with its place and what to write instead."""

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from pydantic import ValidationError

from nvkeep.config import document, shape
from nvkeep.config.advice import mistakes_of
from nvkeep.config.crossrefs import Loc, cross_references
from nvkeep.errors import ConfigError, Problem, clean
from nvkeep.model.spec import Cluster


def parse(text: str, name: str = "cluster.yaml") -> Cluster:
    """Turn the text of a cluster.yaml into a Cluster. Raises ConfigError."""
    loaded, problems = document.read(text)
    if loaded is not None:
        problems += [_problem(loaded, loc, words, on_key=on_key) for loc, words, on_key in _mistakes(loaded)]
    if problems:
        raise ConfigError(name, [document.inside(text, problem) for problem in dict.fromkeys(problems)])
    return shape.cluster(loaded or {})


def not_text(data: bytes, error: UnicodeDecodeError) -> Problem:
    """Say where a file is not UTF-8."""
    return Problem(*document.position(data[: error.start].decode(), error.start), "", "not UTF-8; save the file as UTF-8")


def mistakes(loaded: Mapping[Any, Any]) -> Iterator[tuple[Loc, str]]:
    """Name every mistake of a document that need not be whole yet, each with its place and what to write instead."""
    for loc, text, _ in _mistakes(loaded):
        yield loc, clean(text)


def _mistakes(loaded: Mapping[Any, Any]) -> Iterator[tuple[Loc, str, bool]]:
    try:
        shape.cluster(loaded)
    except ValidationError as error:
        yield from mistakes_of(error.errors(include_url=False))
    yield from cross_references(loaded)


def _problem(loaded: Mapping[Any, Any], loc: Loc, text: str, *, on_key: bool) -> Problem:
    line, column = document.where(loaded, loc, on_key=on_key)
    return Problem(line, column, document.dotted(loc, loaded), clean(text))


def dump(cluster: Cluster, stream: TextIO) -> None:
    """Write the whole configuration as YAML, defaults and derived values filled in; it loads again as the same Cluster."""
    whole = cluster.plain()
    for name, service in whole["services"].items():
        service["router_id"] = cluster.router_id(name)
    document.write(whole, stream)
