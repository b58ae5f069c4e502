"""One word of a bash file: quotes, escapes and variables, into atoms that braces can be expanded over. Pure."""

import re
from collections.abc import Callable

from nvkeep.errors import clean
from nvkeep.legacy.braces import Atom
from nvkeep.model.names import shown

VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
NOTHING_RUN = "nothing is run here"
SIGNS = {
    "`": f"a command between ` and `: {NOTHING_RUN}; write what it prints",
    "$(": f"a command in $( ): {NOTHING_RUN}; write what it prints",
    "${": "more than a name between ${ and }; write ${NAME}, or its value",
    "$[": f"arithmetic: {NOTHING_RUN}; write the number",
    "$'": "a string with escapes; write it as it is, between ' and '",
    '$"': 'a string to be translated; leave out the $ before "',
}
ONLY_IN_A_SHELL = "a variable that only a running shell has; write its value"
SHELLS_OWN = "@*#?-$!0123456789"
HOME = "~ is somebody's home directory; write the full path"
OPERATORS = "&|<>()"
PATTERNS = "*?["
ESCAPED = '$`"\\\n'  # what a backslash means something before, between double quotes
OPEN_QUOTE = "a quote is opened here and not closed in this line; close it"


class Refused(Exception):
    """Something that is not read: at which character, and the words; none where it only follows from another mistake."""

    def __init__(self, offset: int, text: str = "") -> None:
        self.offset = offset
        self.text = text
        super().__init__(text)


class Scanner:
    """Reads words from a place on; `value` gives that of a variable, or raises Refused for a reason without a place."""

    def __init__(self, text: str, value: Callable[[str], str]) -> None:
        self.text = text
        self.at = 0
        self._value = value

    def sees(self, signs: str) -> bool:
        """Return whether one of these characters is next."""
        return self.at < len(self.text) and self.text[self.at] in signs

    def skip(self, blank: re.Pattern[str]) -> bool:
        """Skip blanks and comments; return whether anything follows."""
        blanks = blank.match(self.text, self.at)
        self.at = blanks.end() if blanks else self.at
        return self.at < len(self.text)

    def word(self, *, in_list: bool) -> tuple[Atom, ...]:
        """Read one word to its end. Raises Refused."""
        atoms: list[Atom] = []
        start = self.at
        while self.at < len(self.text) and not self.sees(" \t\n;)" if in_list else " \t\n;"):
            self._refuse_signs(in_list=in_list)
            if self.sees("~") and (self.at == start or self.text[self.at - 1] in ":="):
                raise Refused(self.at, HOME)
            atoms += self._piece(self.text[self.at])
        return tuple(atoms)

    def _refuse_signs(self, *, in_list: bool) -> None:
        sign = self.text[self.at]
        if sign in OPERATORS:
            raise Refused(self.at, f"{sign} is for commands, and {NOTHING_RUN}; put it in quotes if it belongs to the word")
        if in_list and sign in PATTERNS:
            raise Refused(self.at, f"{sign} looks for files: {NOTHING_RUN}; write the words out, or put it in quotes")

    def _piece(self, sign: str) -> list[Atom]:
        if sign == "'":
            return [Atom(self._single())]
        if sign == '"':
            return self._double()
        if sign == "\\":
            return self._escape()
        if sign in "$`":
            return [self._dollar(bare=True)]
        return [Atom(self._take(1), sign=True)]

    def _take(self, length: int) -> str:
        """Take the last of so many characters; one that cannot be seen is refused."""
        self.at += length
        sign = self.text[self.at - 1 : self.at]
        if not sign.isprintable():
            raise Refused(self.at - 1, f"the character {shown(clean(sign))} is not allowed in a value; remove it")
        return sign

    def _escape(self) -> list[Atom]:
        if self.text.startswith("\\\n", self.at):
            self.at += 2
            return []
        return [Atom(self._take(min(2, len(self.text) - self.at)))]

    def _single(self) -> str:
        opened, taken = self.at, ""
        self.at += 1
        while self._within("'", opened):
            taken += self._take(1)
        self.at += 1
        return taken

    def _double(self) -> list[Atom]:
        opened, atoms = self.at, [Atom("")]
        self.at += 1
        while self._within('"', opened):
            atoms += self._inside()
        self.at += 1
        return atoms

    def _within(self, quote: str, opened: int) -> bool:
        """Return whether a quote goes on. Raises Refused where the line ends before it does."""
        if self.at >= len(self.text) or self.sees("\n"):
            raise Refused(opened, OPEN_QUOTE)
        return not self.sees(quote)

    def _inside(self) -> list[Atom]:
        """Read one piece between double quotes."""
        if self.sees("$`"):
            return [self._dollar(bare=False)]
        if self.sees("\\") and self.text[self.at + 1 : self.at + 2] in ESCAPED:
            return self._escape()
        return [Atom(self._take(1))]

    def _dollar(self, *, bare: bool) -> Atom:
        match = VARIABLE.match(self.text, self.at)
        if not match:
            return self._no_variable(bare=bare)
        try:
            value = self._value(match[1] or match[2])
        except Refused as refused:
            raise Refused(self.at, refused.text) from None
        self.at = match.end()
        return Atom(value, splits=bare)

    def _no_variable(self, *, bare: bool) -> Atom:
        sign, after = self.text[self.at], self.text[self.at + 1 : self.at + 2]
        if sign == "`" or (after and after in ("({['\"" if bare else "({[")):
            raise Refused(self.at, SIGNS.get(f"{sign}{after}", SIGNS["`"]))
        if after and after in SHELLS_OWN:
            raise Refused(self.at, ONLY_IN_A_SHELL)
        return Atom(self._take(1), sign=bare)
