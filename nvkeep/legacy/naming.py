"""Names that the original's files do not have: of the cluster and of its services. The same files give the same ones."""

import re

from nvkeep.legacy.sides import Side
from nvkeep.legacy.words import Word

LONGEST = 31  # characters of a name
NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{LONGEST - 1}}}")
SUFFIX = re.compile(r"\.(service|socket|target|timer|mount|automount|swap|device|path|slice|scope)$")


def cluster(both: list[Side]) -> str:
    """Name the cluster after its hosts."""
    return _fitting("-".join(side.host.text for side in both), "pair")


def service(side: Side, *, alone: bool) -> str:
    """Name a protected service after what its units have in common, and its host where there are two."""
    words = [re.split(r"[-@.:\\]", unit.text)[0] for unit in side.lists["SERVICES"]]
    stem = _fitting(words[0] if words else "", "service")
    letter = side.suffix[-1].lower()
    return stem if alone else _fitting(f"{stem}-{side.host.text}", _fitting(f"{stem}-{letter}", f"service-{letter}"))


def _fitting(name: str, otherwise: str) -> str:
    return name if NAME.fullmatch(name) else otherwise


def unit(word: Word) -> Word:
    """Give a unit its suffix, as systemctl does where there is none."""
    return word if SUFFIX.search(word.text) else word._replace(text=f"{word.text}.service")
