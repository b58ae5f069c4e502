"""Whether a record has the shape in which it was written: it may be torn, an older version's, or anybody's. Pure."""

from typing import Any

from nvkeep.model.fencing import Fencing


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


def loss(record: dict[str, Any]) -> Fencing:
    """Read a fencing record. Raise TypeError for a record that was not written here."""
    usual = vars(Fencing(listening_since=record["listening_since"]))
    record = usual | record  # an older version knew less
    since = record["listening_since"]
    if not all(alike(record[key], usual[key]) for key in usual) or not isinstance(since, int | float | None):
        raise TypeError(record)
    return Fencing(**record)
