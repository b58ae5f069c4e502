"""A word of one of the original's files, with the place it stands at. Pure."""

from typing import NamedTuple


class Word(NamedTuple):
    """Some text, the file it stands in, and where: line and column count from 1."""

    text: str
    file: str
    line: int
    column: int


class Mistake(NamedTuple):
    """What is wrong at a word; the text ends in what to write instead."""

    at: Word
    text: str


def spot(file: str, text: str, offset: int) -> Word:
    """Give the place of a character."""
    before = text[:offset]
    return Word("", file, before.count("\n") + 1, offset - before.rfind("\n"))
