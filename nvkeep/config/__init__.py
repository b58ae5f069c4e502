"""cluster.yaml -> Cluster. Every mistake at once, each as file:line:column: path: what is wrong; what to write instead.

Changes nothing.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from nvkeep.config import document
from nvkeep.config.advice import mistakes_of
from nvkeep.config.crossrefs import Loc, cross_references
from nvkeep.errors import ConfigError, Problem, UnsafeFile, clean
from nvkeep.host.files import open_to_others
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers import backends

DEFAULT_FILE = "/etc/nvkeep/cluster.yaml"


def load(path: str) -> Cluster:
    """Read and check cluster.yaml.

    Raises ConfigError with every problem found, UnsafeFile when others than its owner and root can write it.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            _refuse_unsafe(path, os.fstat(stream.fileno()))
            data = stream.read(document.LARGEST_BYTES + 1)
    except IsADirectoryError:
        raise UnsafeFile(f"{path} is not a plain file; name one with -f FILE") from None
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


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO, which is refused


def _refuse_unsafe(path: str, opened: os.stat_result) -> None:
    """Look at what was opened, not at what has the name by now; and at its directory, where others could replace it."""
    if not stat.S_ISREG(opened.st_mode):
        raise UnsafeFile(f"{path} is not a plain file; name one with -f FILE")
    above = Path(path).resolve().parent
    for where, seen in ((path, opened), (str(above), above.stat())):
        sticky = stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX
        if open_to_others(seen) and not sticky:
            raise UnsafeFile(
                f"{where} can be written by others, and nvkeep acts on it as root; chown root {where} && chmod go-w {where}"
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
    whole = cluster.model_dump(mode="json", serialize_as_any=True, by_alias=True)
    for name, service in whole["services"].items():
        service["router_id"] = cluster.router_id(name)
    document.write(whole, stream)
