"""Asking for a cluster.yaml: every answer is put into the document and judged by the same rules as the file will be."""

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nvkeep.config import parsing
from nvkeep.errors import NotHere

Loc = tuple[str | int, ...]
NONE = "none"


class Talk:
    """A document that grows by questions. `read` gives one line for a prompt, as input() does; `say` prints one."""

    def __init__(self, read: Callable[[str], str] = builtins.input, say: Callable[[str], None] = builtins.print) -> None:
        self.document: dict[str, Any] = {}
        self._read = read
        self.say = say

    def ask(self, question: str, default: str = "") -> str:
        """Ask until there is an answer; an empty line takes the default. Raises NotHere at the end of the input."""
        while True:
            try:
                answer = self._read(f"{question}{f' [{default}]' if default else ''}: ").strip()
            except EOFError:
                raise NotHere("\nnot all questions were answered; nothing was written") from None
            if answer or default:
                return answer or default
            self.say("  there is no default for this; an answer is needed")

    def fill(
        self,
        loc: Loc,
        question: str,
        default: str = "",
        as_: Callable[[str], Any] = str,
        *,
        optional: bool = False,
    ) -> Any:  # noqa: ANN401 - any YAML value
        """Ask for the value of one place; a wrong one is refused with what to write instead. None: it shall be left out."""
        before = set(parsing.mistakes(self.document))
        while True:
            answer = self.ask(question, default)
            if optional and answer == NONE:
                return None
            value = as_(answer)
            put(self.document, loc, value)
            wrong = [*self.wrong(loc), *self._elsewhere(loc, before)]
            if not wrong:
                return value
            self.refuse(wrong)
            default = "" if answer == default else default  # an empty line shall not be refused for ever

    def refuse(self, wrong: Sequence[str]) -> None:
        """Say what is wrong with an answer."""
        for text in wrong:
            self.say(f"  {text}")

    def wrong(self, loc: Loc, *, below: bool = True) -> list[str]:
        """Name the mistakes at a place (and below it), not those of what has not been asked yet."""
        mistakes = parsing.mistakes(self.document)
        return [text for at, text in mistakes if at == loc or (below and at[: len(loc)] == loc)]

    def _elsewhere(self, loc: Loc, before: Collection[tuple[Loc, str]]) -> list[str]:
        """Name what an answer makes wrong of earlier answers: of two that do not go together, the file names the one below.

        What is asked together with it, and may only show now, is judged as a whole.
        """
        beside = loc[:-1]
        mistakes = [(at, text) for at, text in parsing.mistakes(self.document) if at[: len(beside)] != beside]
        return [
            f"{'.'.join(map(str, at))}: {text}"
            for at, text in mistakes
            if (at, text) not in before and given(self.document, at)
        ]


def put(document: Any, loc: Loc, value: Any) -> None:  # noqa: ANN401 - any YAML node
    """Put a value into a document, making the lists and mappings on the way."""
    node = document
    for part, following in zip(loc, (*loc[1:], None), strict=True):
        fresh = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(part, int):
            node.extend([None] * (part + 1 - len(node)))
            node[part] = fresh if following is None or node[part] is None else node[part]
        elif following is None or part not in node:
            node[part] = fresh
        node = node[part]


def given(document: Any, loc: Loc) -> bool:  # noqa: ANN401 - any YAML node
    """Return whether a single value stands at a place: what is missing, or not whole, may not have been asked for yet."""
    try:
        for part in loc:
            document = document[part]
    except (LookupError, TypeError):
        return False
    return not isinstance(document, Mapping | list)


def drop(document: Any, loc: Loc) -> None:  # noqa: ANN401 - any YAML node
    """Take a key out of a document again."""
    node = document
    for part in loc[:-1]:
        node = node[part]
    node.pop(loc[-1], None)
