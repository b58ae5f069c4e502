"""The assignments of a bash file, read without bash: lists, quotes, ${VAR} of earlier keys, brace expansion. Pure.

Nothing is run, sourced or looked up. Whatever is something else is refused, with its place and what to write instead; reading
goes on at the next assignment, so that everything wrong is reported at once.
"""

import re
from typing import NamedTuple

from nvkeep.legacy.braces import Atom, TooMany, expand, split
from nvkeep.legacy.scan import Refused, Scanner
from nvkeep.legacy.words import Mistake, Word, spot
from nvkeep.model.names import shown

ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=|\[)")
NEXT = re.compile(r"^[ \t]*[A-Za-z_][A-Za-z0-9_]*(\+?=|\[)", re.MULTILINE)
BLANK = re.compile(r"(?:[ \t\n;]|\\\n|(?<![^ \t\n;])#[^\n]*)+")
BLANK_IN_LIST = re.compile(r"(?:[ \t\n]|\\\n|(?<![^ \t\n(])#[^\n]*)+")
ANYTHING = re.compile(r"[^ \t\n;]+")
MOST_BRACES = 30  # in one word


class Value(NamedTuple):
    """What a key was given: its words, whether they stand in ( ), and the key itself."""

    words: tuple[Word, ...]
    listed: bool
    key: Word


class Reader:
    """Reads one file. `values`: the keys in their order; `broken`: those that cannot be read; `used`: those in a ${}."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.values: dict[str, Value] = {}
        self.mistakes: list[Mistake] = []
        self.broken: set[str] = set()
        self.used: set[str] = set()
        self._scan = Scanner(self._normal(text), self._value)

    def read(self) -> "Reader":
        """Read it all."""
        while self._scan.skip(BLANK):
            start = self._scan.at
            try:
                self._assignment()
            except Refused as refused:
                self._note(refused)
                self._go_on_after(start)
        return self

    def _normal(self, text: str) -> str:
        if "\r" in text:
            words = "the lines end with CRLF, and bash reads the CR as part of a word; convert it: sed -i 's/\\r$//' FILE"
            self.mistakes.append(Mistake(spot(self.file, text, text.index("\r")), words))
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _spot(self, offset: int, text: str = "") -> Word:
        return spot(self.file, self._scan.text, offset)._replace(text=text)

    def _note(self, refused: Refused) -> None:
        if refused.text:
            self.mistakes.append(Mistake(self._spot(refused.offset), refused.text))

    def _go_on_after(self, start: int) -> None:
        """Go on in the next line; after a list that does not end in its line, at the next line that begins with a key."""
        text = self._scan.text
        named = ASSIGNMENT.match(text, start)
        self.broken |= {named[1]} if named else set()
        end = text.find("\n", max(self._scan.at, start)) % (len(text) + 1)  # the end of the text where there is no line break
        goes_on = text.count("(", start, end) > text.count(")", start, end)
        match = NEXT.search(text, end) if goes_on else None
        self._scan.at = match.start() if match else len(text) if goes_on else end

    def _value(self, name: str) -> str:
        """Give the value of a variable. Raises Refused."""
        self.used.add(name)
        if name in self.broken:
            raise Refused(0)
        if name not in self.values:
            raise Refused(0, f"{name} has no value yet; write {name}=VALUE above this line, or its value here")
        if self.values[name].listed:
            raise Refused(0, f"{name} is a list; write its words here")
        return self.values[name].words[0].text

    # --- one assignment

    def _assignment(self) -> None:
        start = self._scan.at
        match = ASSIGNMENT.match(self._scan.text, start)
        if not match or match[2] != "=":
            raise Refused(start, self._no_assignment(match))
        self._scan.at = match.end()
        listed = self._scan.sees("(")
        words = self._list() if listed else self._scalar()
        self._refuse_more()
        if match[1] in self.values:
            raise Refused(start, f"{match[1]} is set here a second time; keep one of the two")
        self.values[match[1]] = Value(words, listed, self._spot(start, match[1]))

    def _no_assignment(self, match: re.Match[str] | None) -> str:
        if match:
            return f"{match[1]} is changed only in part; write the whole list at once: {match[1]}=(WORD WORD)"
        text = ANYTHING.match(self._scan.text, self._scan.at)
        return f"{shown(text[0] if text else '')} is not an assignment; write NAME=VALUE or NAME=(WORD WORD)"

    def _refuse_more(self) -> None:
        if self._scan.at < len(self._scan.text) and not self._scan.sees(" \t\n;"):
            sign = self._scan.text[self._scan.at]
            raise Refused(self._scan.at, f"{shown(sign)} cannot follow ); write the next key on a line of its own")

    def _scalar(self) -> tuple[Word, ...]:
        start = self._scan.at
        return (self._spot(start, "".join(atom.text for atom in self._scan.word(in_list=False))),)

    def _list(self) -> tuple[Word, ...]:
        opened = self._scan.at
        words: list[Word] = []
        self._scan.at += 1
        while self._scan.skip(BLANK_IN_LIST) and not self._scan.sees(")"):
            words += self._words()
        if self._scan.at >= len(self._scan.text):
            raise Refused(opened, "a list is opened here and never closed; close it with )")
        self._scan.at += 1
        return tuple(words)

    def _words(self) -> list[Word]:
        """Read a word of a list, and give what it becomes."""
        start = self._scan.at
        if self._scan.sees(";"):
            raise Refused(start, "; is not allowed in a list; separate the words by blanks")
        atoms = self._scan.word(in_list=True)
        return [self._spot(start, text) for text in _expanded(atoms, start)]


def _expanded(atoms: tuple[Atom, ...], start: int) -> list[str]:
    if sum(atom.sign and atom.text == "{" for atom in atoms) > MOST_BRACES:
        raise Refused(start, f"more than {MOST_BRACES} braces in one word; write the words out")
    try:
        return [text for word in expand(atoms) for text in split(word)]
    except TooMany:
        raise Refused(start, "the braces expand to too many words, or to odd ones; write out the words you mean") from None
