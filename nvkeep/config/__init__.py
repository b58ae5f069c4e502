"""cluster.yaml -> Cluster. Every mistake at once, each as file:line:column: path: what is wrong; what to write instead.

Changes nothing.
"""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from nvkeep.config import document
from nvkeep.config.advice import mistakes_of
from nvkeep.config.crossrefs import Loc, cross_references
from nvkeep.errors import ConfigError, Problem, UnsafeFile
from nvkeep.host.files import others_can_write
from nvkeep.model.names import clean
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers import backends

DEFAULT_FILE = "/etc/nvkeep/cluster.yaml"


def load(path: str) -> Cluster:
    """Read and check cluster.yaml.

    Raises ConfigError with every problem found, UnsafeFile when others than its owner and root can write it.
    """
    _refuse_unsafe(path)
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(document.LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(path, [Problem(1, 1, "", f"{error.strerror}; name the file with -f FILE")]) from None
    if len(data) > document.LARGEST_BYTES:
        raise ConfigError(path, [Problem(1, 1, "", f"larger than {document.LARGEST_BYTES} bytes; this is not a cluster.yaml")])
    try:
        return parse(data.decode(), path)
    except UnicodeDecodeError as error:
        raise ConfigError(
            path,
            [Problem(*document.position(data[: error.start].decode(), error.start), "", "not UTF-8; save the file as UTF-8")],
        ) from None


def _refuse_unsafe(path: str) -> None:
    try:
        seen = Path(path).stat()
    except OSError:
        return  # reading it tells why, with the same words as for any other file
    if not stat.S_ISREG(seen.st_mode):
        raise UnsafeFile(f"{path} is not a plain file; name one with -f FILE")
    if others_can_write(path):
        raise UnsafeFile(
            f"{path} can be written by others, and nvkeep acts on it as root; chown root {path} && chmod go-w {path}"
        )


def parse(text: str, name: str = "cluster.yaml") -> Cluster:
    """Turn the text of a cluster.yaml into a Cluster. Raises ConfigError."""
    backends.register()
    loaded, problems = document.read(text)
    if loaded is not None:
        problems += [_problem(loaded, loc, words, on_key=on_key) for loc, words, on_key in _mistakes(loaded)]
    if problems:
        raise ConfigError(name, [document.inside(text, problem) for problem in dict.fromkeys(problems)])
    return Cluster.model_validate(loaded)


def mistakes(loaded: Mapping[Any, Any]) -> Iterator[tuple[Loc, str]]:
    """Name every mistake of a document that need not be whole yet, each with its place and what to write instead."""
    backends.register()
    for loc, text, _ in _mistakes(loaded):
        yield loc, clean(text)


def _mistakes(loaded: Mapping[Any, Any]) -> Iterator[tuple[Loc, str, bool]]:
    try:
        Cluster.model_validate(loaded)
    except ValidationError as error:
        yield from mistakes_of(error.errors(include_url=False))
    yield from cross_references(loaded)


def _problem(loaded: Mapping[Any, Any], loc: Loc, text: str, *, on_key: bool) -> Problem:
    line, column = document.where(loaded, loc, on_key=on_key)
    return Problem(line, column, document.dotted(loc, loaded), clean(text))


def dump(cluster: Cluster, stream: TextIO) -> None:
    """Write the whole configuration as YAML, defaults and derived values filled in; it loads again as the same Cluster."""
    whole = cluster.model_dump(mode="json", serialize_as_any=True)
    for name, service in whole["services"].items():
        service["router_id"] = cluster.router_id(name)
    document.write(whole, stream)
