"""Text from outside: cut into lines, and JSON read, so that no name in it can mean more than itself. Pure."""

import json
import math
from typing import Any


def lines(text: str) -> list[str]:
    """Cut into lines at line feeds alone: str.splitlines also cuts at nine characters that a file name may have in it."""
    whole = text.split("\n")
    return whole[:-1] if whole[-1] == "" else whole


def first(*texts: str) -> str:
    """Return the first line that says something, for a message."""
    return next((line.strip() for text in texts for line in lines(text) if line.strip()), "no message")


def last(*texts: str) -> str:
    """Return the last line that says something, for a message."""
    return next((line.strip() for text in reversed(texts) for line in reversed(lines(text)) if line.strip()), "no message")


def load(text: str) -> Any:  # noqa: ANN401 - what JSON holds shows only when it is read
    """Read JSON. Raises ValueError, also for what is nested without end or has a number without end in it."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def load_first(text: str) -> Any:  # noqa: ANN401 - as above
    """Read the JSON that a text begins with, whatever follows. Raises ValueError, for the same."""
    try:
        return _DECODER.raw_decode(text)[0]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not a number")


def _finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _refuse(word)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
