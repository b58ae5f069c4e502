"""Whether a record has the shape in which it was written: it may be torn, an older version's, or anybody's. Pure."""

from functools import lru_cache
from typing import Any

from nvkeep.host import load
from nvkeep.model.fencing import Fencing
from nvkeep.model.timers import Timers

USUAL = vars(Timers())  # what a record of times has, and of which types


def whole(record: dict[str, Any]) -> bool:
    """Return whether a report has what others read of it."""
    outcomes = record.get("outcomes")
    listed = outcomes if isinstance(outcomes, list) else [None]
    words = [
        isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("key", "word", "reason")) for row in listed
    ]
    return all(words) and isinstance(record.get("at"), int | float) and isinstance(record.get("did"), str)


def alike(value: object, usual: object) -> bool:
    """Return whether a value read from JSON is of the type it was written as."""
    return isinstance(value, type(usual)) or (isinstance(usual, float) and isinstance(value, int))


@lru_cache(maxsize=256)  # a pass reads the same record a dozen times
def timers(text: str) -> Timers:
    """Read the times of a service; what was not written here is none of them. Raises ValueError for what is no JSON."""
    record = load(text)
    if not isinstance(record, dict) or not record.keys() <= USUAL.keys():
        return Timers()
    known = all(alike(value, USUAL[key]) for key, value in record.items())
    return Timers(**record) if known else Timers()  # an older version knew less


def loss(record: dict[str, Any]) -> Fencing:
    """Read a fencing record. Raise TypeError for a record that was not written here."""
    usual = vars(Fencing(listening_since=record["listening_since"]))
    record = usual | record  # an older version knew less
    since = record["listening_since"]
    if not all(alike(record[key], usual[key]) for key in usual) or not isinstance(since, int | float | None):
        raise TypeError(record)
    return Fencing(**record)
