"""The original's fstab: what is mounted where, with the place of every word. Pure."""

import re
from typing import NamedTuple

from nvkeep.errors import clean
from nvkeep.legacy.words import Mistake, Word
from nvkeep.model.names import shown

FIELD = re.compile(r"[^ \t]+")
OPTION = re.compile(r'(?:[^,"]|"[^"]*"?)+')
OCTAL = re.compile(r"\\([0-3][0-7]{2})")
LEAST, MOST = 3, 6  # fields of a line: device, mountpoint, type, options, dump, pass


class Entry(NamedTuple):
    """One line: the options one by one; `numbers` are dump and pass where one of them is not 0."""

    device: Word
    path: Word
    fstype: Word
    options: tuple[Word, ...]
    numbers: Word | None


def read(text: str, file: str) -> tuple[dict[str, Entry], list[Mistake]]:
    """Read it all: entries by mountpoint, and what is wrong."""
    entries: dict[str, Entry] = {}
    mistakes: list[Mistake] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = [Word(match[0], file, number, match.start() + 1) for match in FIELD.finditer(line.rstrip("\r"))]
        if not words or words[0].text.startswith("#"):
            continue
        entry = _entry(words)
        mistake = entry if isinstance(entry, Mistake) else _clash(entry, entries)
        if mistake:
            mistakes.append(mistake)
        elif isinstance(entry, Entry):
            entries[entry.path.text] = entry
    return entries, mistakes


def _entry(words: list[Word]) -> Entry | Mistake:
    unseen = next((word for word in words if not word.text.isprintable()), None)
    if unseen:
        return Mistake(unseen, f"{shown(clean(unseen.text))} has a control character; write it without")
    if not LEAST <= len(words) <= MOST:
        return Mistake(words[0], f"{len(words)} words; write DEVICE MOUNTPOINT TYPE OPTIONS 0 0, and \\040 for a blank in one")
    device, path, fstype = (_plain(word) for word in words[:LEAST])
    given = _plain(words[3]) if len(words) > LEAST else None
    number = next((word for word in words[4:] if word.text != "0"), None)
    return Entry(device, path._replace(text=path.text.rstrip("/") or "/"), fstype, _options(given), number)


def _clash(entry: Entry, entries: dict[str, Entry]) -> Mistake | None:
    first = entries.get(entry.path.text)
    if not first:
        return None
    return Mistake(entry.path, f"{shown(entry.path.text)} is already in line {first.path.line}; keep one of the two")


def _plain(word: Word) -> Word:
    """Give a word without the escapes of fstab."""
    return word._replace(text=OCTAL.sub(lambda match: chr(int(match[1], 8)), word.text))


def _options(given: Word | None) -> tuple[Word, ...]:
    """Split them at commas; a label of SELinux stands in quotes, and has commas of its own."""
    if not given:
        return ()
    matches = OPTION.finditer(given.text)
    return tuple(given._replace(text=match[0].replace('"', ""), column=given.column + match.start()) for match in matches)
