"""cluster.yaml -> Cluster. Every mistake at once, each as file:line:column: path: what is wrong; what to write instead.

Changes nothing.
"""

import os
import stat
from pathlib import Path

from nvkeep.config import kept
from nvkeep.errors import ConfigError, Problem, UnsafeFile
from nvkeep.host import Host
from nvkeep.host.files import open_to_others
from nvkeep.model.spec import Cluster

DEFAULT_FILE = "/etc/nvkeep/cluster.yaml"


LARGEST_BYTES = 64 * 1024  # a cluster.yaml has a few thousand
TOO_LARGE = f"larger than {LARGEST_BYTES} bytes; this is not a cluster.yaml"


def load(path: str, host: Host | None = None) -> Cluster:
    """Read and check cluster.yaml; with a host, keep there what its own file says, so that the next start has it at once.

    Raises ConfigError with every problem found, UnsafeFile when others than its owner and root can write it.
    """
    data, own = _bytes(path), path == DEFAULT_FILE
    cluster = kept.recall(data) if own else None
    if cluster is None:
        cluster = _parsed(data, path)
        if own and host:
            kept.keep(host, data, cluster)
    return cluster


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            _refuse_unsafe(path, os.fstat(stream.fileno()))
            data = stream.read(LARGEST_BYTES + 1)
    except IsADirectoryError:
        raise UnsafeFile(f"{path} is not a plain file; name one with -f FILE") from None
    except OSError as error:
        raise ConfigError(path, [Problem(1, 1, "", f"{error.strerror}; name the file with -f FILE")]) from None
    if len(data) > LARGEST_BYTES:
        raise ConfigError(path, [Problem(1, 1, "", TOO_LARGE)])
    return data


def _parsed(data: bytes, path: str) -> Cluster:
    from nvkeep.config.parsing import not_text, parse  # noqa: PLC0415 - importing it takes longer than a pass

    try:
        return parse(data.decode(), path)
    except UnicodeDecodeError as error:
        raise ConfigError(path, [not_text(data, error)]) from None


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
