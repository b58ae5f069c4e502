"""examples:
  nvkeep history                  the last passes of this host that changed or refused something
  nvkeep history pg -n 50         the last fifty of one service
  nvkeep history miw4k2p7         one of them: what it decided and why, and each step as a bar
  nvkeep history miw4k2p7 --svg takeover.svg
  nvkeep history --steps          how long each step takes: median, nine tenths, the longest

exit codes:
  0  printed
  1  there is no such entry or service
"""  # noqa: D400, D205 - printed by --help

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import get_terminal_size

from nvkeep.errors import NvkeepError
from nvkeep.host import LocalHost
from nvkeep.model.history import Entry, percentiles
from nvkeep.state import history
from nvkeep.status import timeline

SHOWN = 20
DIGITS = 9
WIDEST = 1000  # of a line that goes to no terminal


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("which", nargs="?", default="", metavar="SERVICE|ID", help="of one service; or one entry as a timeline")
    parser.add_argument("-n", type=_number, default=SHOWN, metavar="NUMBER", help="of the last entries (default: %(default)s)")
    parser.add_argument("--steps", action="store_true", help="how long each step takes")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the entry into a file")
    parser.add_argument("--json", action="store_true", help="for programs")


def _number(text: str) -> int:
    """Read how many; for argparse."""
    if not text.isascii() or not text.isdigit() or not int(text[:DIGITS]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of entries; write 1 or more")
    return int(text[:DIGITS])


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for."""
    entries = history.read(LocalHost())
    chosen = [entry for entry in entries if arguments.which in ("", entry["service"], entry["id"])]
    if arguments.which and not chosen:
        raise NvkeepError(f"{arguments.which} is no entry and no service of the history; nvkeep history")
    single = chosen[0] if chosen and arguments.which == chosen[0]["id"] else None
    if arguments.svg:
        _draw(single, arguments.svg)
    elif arguments.json:
        print(json.dumps(single or chosen[-arguments.n :], indent=2))
    elif arguments.steps:
        print(*_steps(chosen), sep="\n")
    else:
        print(*(timeline.text(single) if single else _list(chosen[-arguments.n :])), sep="\n")
    return 0


def _draw(entry: Entry | None, file: Path) -> None:
    if not entry:
        raise NvkeepError("--svg draws one entry: nvkeep history ID --svg FILE; nvkeep history lists them")
    file.write_text(f"{timeline.svg(entry)}\n")


def _list(entries: Sequence[Entry]) -> Iterator[str]:
    width = get_terminal_size().columns if sys.stdout.isatty() else WIDEST
    if not entries:
        yield "no pass has changed or refused anything yet"
    for entry in entries:
        away = entry["outage"]
        said = f"away {away:.2f} s: {entry['why']}" if away else entry["why"]
        did = f"{' ' if entry['settled'] else '!'} {entry['did']} {entry['seconds']:.2f} s"
        yield f"{entry['id']} {timeline.when(entry)} {entry['service']} {did}: {said}"[:width]


def _steps(entries: Sequence[Entry]) -> Iterator[str]:
    yield f"{'step':<24} {'times':>6} {'median':>8} {'9 of 10':>8} {'longest':>8}"
    for step in percentiles(entries):
        yield f"{step.step:<24} {step.times:>6} {step.median:>8.3f} {step.most:>8.3f} {step.longest:>8.3f}"
