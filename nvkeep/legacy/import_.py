"""examples:
  nvkeep import                                            print what the original's files become
  nvkeep import -o /etc/nvkeep/cluster.yaml                write it
  nvkeep import /root/nvkeep_service.conf /root/fstab      other files

Reads the files of the original nvkeep, nvkeep_service.conf and its fstab, and makes a cluster.yaml of them. Nothing in them is
run: lists, quotes, ${NAME} of earlier keys and {a,b} are understood, anything else is refused. What has no place any more
stands in a comment. What is made passes `nvkeep check`.

exit codes:
  0  printed or written
  1  not written: the file is there already (--force), or cannot be written
  2  a file cannot be read, or something in it is wrong: every mistake with file:line:column and what to write instead; nothing
     was written
"""  # noqa: D400, D205 - printed by --help

import argparse
import sys
from pathlib import Path

from nvkeep.cli import REFUSED
from nvkeep.config import LARGEST_BYTES
from nvkeep.errors import ConfigError, NvkeepError, Problem
from nvkeep.host import LocalHost
from nvkeep.legacy import Imported, convert

CONF = "/etc/nvkeep/nvkeep_service.conf"


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("conf", nargs="?", default=CONF, metavar="CONF", help="default: %(default)s")
    parser.add_argument("fstab", nargs="?", metavar="FSTAB", help="default: fstab in the same directory")
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there instead of printing it")
    parser.add_argument("--force", action="store_true", help="with -o: replace a file that is there")


def run(arguments: argparse.Namespace) -> int:
    """Print or write what the files become."""
    fstab = arguments.fstab or str(Path(arguments.conf).parent / "fstab")
    made = convert((arguments.conf, _read(arguments.conf)), (fstab, _read(fstab)))
    if made.mistakes:
        print(
            *(f"{mistake.at.file}:{mistake.at.line}:{mistake.at.column}: {mistake.text}" for mistake in made.mistakes),
            sep="\n",
            file=sys.stderr,
        )
        return REFUSED
    if arguments.output:
        _write(arguments.output, made, force=arguments.force)
    else:
        print(made.text, end="")
    return 0


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _unread(path, f"{error.strerror}; name the files: nvkeep import CONF FSTAB") from None
    if len(data) > LARGEST_BYTES:
        raise _unread(path, f"larger than {LARGEST_BYTES} bytes; this is not a file of the original's")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _unread(path, "not UTF-8; save the file as UTF-8", data[: error.start].count(b"\n") + 1) from None


def _unread(path: str, text: str, line: int = 1) -> ConfigError:
    return ConfigError(path, [Problem(line, 1, "", text)])


def _write(path: str, made: Imported, *, force: bool) -> None:
    """Write it, and say what to look at and type next. Raises NvkeepError."""
    host = LocalHost()
    if host.exists(path) and not force:
        raise NvkeepError(f"{path} is there already; to replace it: nvkeep import --force -o {path}")
    try:
        host.write(path, made.text, durable=True)
    except OSError as error:
        raise NvkeepError(f"{path} cannot be written: {error.strerror}") from error
    worth = f"{len(made.notes)} remarks at its top; " if made.notes else ""
    print(f"{path}: written; {worth}next: nvkeep check -f {path}")
