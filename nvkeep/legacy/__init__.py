"""The two files of the original bash nvkeep -> the text of a cluster.yaml. Changes nothing, runs nothing.

bash.py reads nvkeep_service.conf, fstab.py the fstab; sides.py sorts the keys, pairing.py finds what does not go together,
services.py plans, remarks.py says what has no place any more, page.py writes. What was written is then loaded as `nvkeep check`
does: what is wrong with a value is reported at its place in the original's file, in the words of the loader.
"""

import re
from typing import NamedTuple

from nvkeep.config import parsing
from nvkeep.errors import ConfigError, clean
from nvkeep.legacy import bash, fstab, naming, remarks
from nvkeep.legacy.page import Page
from nvkeep.legacy.services import Planner
from nvkeep.legacy.sides import sides
from nvkeep.legacy.words import Mistake, Word

NOTHING = "both sets are empty: there is nothing to protect; write the volumes of one: NVMESHVOLS_HOST_A=(VOLUME)"

ORDER_MARK = "\ufeff"  # an editor of another system writes it at the start of a file; it is no part of the text


class Imported(NamedTuple):
    """The text, what could not be carried over, and what is wrong: with anything wrong there is no text."""

    text: str
    notes: tuple[Mistake, ...]
    mistakes: tuple[Mistake, ...]


def convert(conf: tuple[str, str], table: tuple[str, str]) -> Imported:
    """Turn the original's files, each its name and its text, into a cluster.yaml."""
    reader = bash.Reader(conf[1].removeprefix(ORDER_MARK), conf[0]).read()
    entries, mistakes = fstab.read(table[1].removeprefix(ORDER_MARK), table[0])
    both, wrong = sides(reader)
    planner = Planner(both, entries, table[0])
    services = planner.plan()
    notes = _sorted([*remarks.keys(reader), *planner.notes], conf[0])
    mistakes += [*reader.mistakes, *wrong, *planner.mistakes]
    if not services and not reader.broken:
        mistakes.append(Mistake(Word("", conf[0], 1, 1), NOTHING))
    page = Page()
    text = page.write(naming.cluster(both), both, services, notes, (conf[0], table[0]))
    if services and both[0].host.text != both[1].host.text:
        mistakes += _loaded(text, page, Word("", conf[0], 1, 1), sure=not mistakes and all(side.whole for side in both))
    return Imported("" if mistakes else text, notes, _sorted(mistakes, conf[0]))


def _loaded(text: str, page: Page, top: Word, *, sure: bool) -> list[Mistake]:
    """Load what was written. Where it was not whole (not sure), only what is wrong with a value itself counts."""
    try:
        parsing.parse(text)
    except ConfigError as error:
        mistakes = [(page.places.get(problem.path) or (_nearest(page, problem.path) or top if sure else None), problem.text)
                 for problem in error.problems]  # fmt: skip
        return [Mistake(at, words) for at, words in mistakes if at and at.line]
    return []


def _nearest(page: Page, path: str) -> Word | None:
    """Find where the innermost part of a path came from that is known."""
    while path and path not in page.places:
        path = re.sub(r"(\.[^.\[]*|\[[^\[]*)?$", "", path) if re.search(r"[.\[]", path) else ""
    return page.places.get(path)


def _sorted(mistakes: list[Mistake], first: str) -> tuple[Mistake, ...]:
    """Put them in the order of the files, each once, and each in one line."""
    once = dict.fromkeys(Mistake(mistake.at._replace(text=""), clean(mistake.text)) for mistake in mistakes)
    return tuple(sorted(once, key=lambda mistake: (mistake.at.file != first, mistake.at.line, mistake.at.column)))
