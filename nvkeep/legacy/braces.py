"""Brace expansion and the splitting of words, as bash does them, over atoms instead of text. Pure."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

MOST = 1000  # words that one word may become
NUMBER = r"([-+]?\d+)"
SEQUENCE = re.compile(rf"{NUMBER}\.\.{NUMBER}(?:\.\.{NUMBER})?|([A-Za-z])\.\.([A-Za-z])(?:\.\.{NUMBER})?")
LONGEST = 9  # characters of a number
BLANK = re.compile(r"[ \t\n]+")


class Atom(NamedTuple):
    """A piece of a word. `sign`: a bare character, which may be one of a brace; `splits`: a variable without quotes."""

    text: str
    sign: bool = False
    splits: bool = False


Atoms = tuple[Atom, ...]


class TooMany(Exception):
    """A word would become more than MOST words, or such as nobody means."""


def expand(atoms: Atoms) -> list[Atoms]:
    """Expand the braces of a word. Raises TooMany."""
    for start, atom in enumerate(atoms):
        group = _group(atoms, start) if atom.sign and atom.text == "{" else None
        if group:
            end, choices = group
            tails = expand(atoms[end + 1 :])
            middles = [middle for choice in choices for middle in expand(choice)]
            if len(middles) * len(tails) > MOST:
                raise TooMany
            return [(*atoms[:start], *middle, *tail) for middle in middles for tail in tails]
    return [atoms]


def _group(atoms: Atoms, start: int) -> tuple[int, list[Atoms]] | None:
    """Find the end of a brace and its choices; None where it is only a brace."""
    depth, cuts = 0, [start]
    for index in range(start, len(atoms)):
        sign = atoms[index].text if atoms[index].sign else ""
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 1:
            cuts.append(index)
        if depth == 0:
            choices = [atoms[cut + 1 : other] for cut, other in pairwise([*cuts, index])]
            words = choices if len(choices) > 1 else _sequence(choices[0])
            return (index, words) if words else None
    return None


def _sequence(inside: Atoms) -> list[Atoms]:
    text = "".join(atom.text for atom in inside)
    match = SEQUENCE.fullmatch(text) if all(atom.sign for atom in inside) else None
    if not match:
        return []
    if any(len(part or "") > LONGEST for part in match.groups()):
        raise TooMany
    if match[1] is None:
        return [(Atom(chr(letter)),) for letter in _letters(match[4], match[5], int(match[6] or 0))]
    padded = any(re.fullmatch(r"[-+]?0\d+", number) for number in match.group(1, 2))
    width = max(map(len, match.group(1, 2))) if padded else 0
    return [(Atom(f"{number:0{width}d}"),) for number in _between(int(match[1]), int(match[2]), int(match[3] or 0))]


def _letters(first: str, last: str, by: int) -> Iterator[int]:
    if first.isupper() != last.isupper():  # what stands between the two cases is punctuation
        raise TooMany
    return _between(ord(first), ord(last), by)


def _between(first: int, last: int, by: int) -> Iterator[int]:
    step = abs(by) or 1
    if abs(last - first) // step >= MOST:
        raise TooMany
    return iter(range(first, last + 1, step) if last >= first else range(first, last - 1, -step))


def split(atoms: Sequence[Atom]) -> list[str]:
    """Split a word at the blanks of its variables without quotes; one that is only an empty variable is no word."""
    done: list[str] = []
    current: str | None = None
    for atom in atoms:
        for number, piece in enumerate(BLANK.split(atom.text) if atom.splits else [atom.text]):
            if number and current is not None:
                done.append(current)
                current = None
            if piece or not atom.splits:
                current = (current or "") + piece
    return done if current is None else [*done, current]
