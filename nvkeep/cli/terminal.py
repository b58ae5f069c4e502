"""What a terminal gets beside the text: lines cut to its width, colours, and the whole screen for what is drawn again."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import get_terminal_size
from textwrap import wrap

from nvkeep.host import lines
from nvkeep.model.summary import Summary

NARROW = 40  # columns, below which nothing is cut
GREEN, YELLOW, RED = 32, 33, 31
WORDS = {
    GREEN: (Summary.OK,),
    YELLOW: (Summary.DEGRADED, Summary.CONVERGING, Summary.STANDBY, Summary.MAINTENANCE),
    RED: (
        Summary.FAILED, Summary.LOST, Summary.SPLIT, Summary.CUT_OFF, Summary.STUCK, Summary.HELD, Summary.UNKNOWN,
    ),
}  # fmt: skip
MARKS = {GREEN: r"\[OK\]", YELLOW: r"^ +!(?= )", RED: r"\[NOT OK\]|\[UNKNOWN\]"}
COLOURS = {
    colour: re.compile(rf"^(?:{'|'.join(words)})(?=: )|(?<=: )(?:{'|'.join(words)})(?=[:,]|$)|{MARKS[colour]}")
    for colour, words in WORDS.items()
}
WHOLE, BACK, HOME, REST = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[J"


def show(text: str) -> None:
    """Print; on a terminal fitted to its width, and with colours unless NO_COLOR is set (https://no-color.org)."""
    print(_fitted(text) if sys.stdout.isatty() else text)


def _fitted(text: str) -> str:
    width, plain = get_terminal_size().columns, "NO_COLOR" in os.environ
    every = (part for line in lines(text) for part in fit(line, width))
    return "\n".join(line if plain else paint(line) for line in every)


def fit(line: str, width: int) -> list[str]:
    """Cut a line that is too long at blanks; what follows stands further in."""
    indent = len(line) - len(line.lstrip()) + 4
    if len(line) <= width or width < max(NARROW, 2 * indent):
        return [line]
    return wrap(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def paint(line: str) -> str:
    """Colour the words that say how something stands."""
    for colour, pattern in COLOURS.items():
        line = pattern.sub(f"\x1b[{colour}m\\g<0>\x1b[0m", line)
    return line


@contextmanager
def whole_screen() -> Iterator[None]:
    """Take the whole screen, and give it back as it was."""
    if not sys.stdout.isatty():
        yield
        return
    sys.stdout.write(WHOLE)
    try:
        yield
    finally:
        sys.stdout.write(BACK)
        sys.stdout.flush()


def redraw(text: str) -> None:
    """Draw over what was there; what is longer than the screen ends at its last line."""
    if not sys.stdout.isatty():
        print(text, flush=True)
        return
    shown = lines(_fitted(text))[: get_terminal_size().lines - 1]
    sys.stdout.write(HOME + "".join(f"{line}\x1b[K\n" for line in shown) + REST)
    sys.stdout.flush()
