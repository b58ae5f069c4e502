"""How a host was before it was set up: what taking back restores. It waits beside the staged files, and goes with them."""

import json
from typing import Any, NamedTuple, Self

from nvkeep.host import Host, load
from nvkeep.setup.order import STAGED

FILE = f"{STAGED}/before.json"


class Text(NamedTuple):
    """A file before, and as this setup writes it. None: there is none."""

    before: str | None
    ours: str | None


class Unit(NamedTuple):
    """A unit before."""

    enabled: bool
    active: bool


class Record(NamedTuple):
    """A host before. `digest` names the order of the setup that goes on here; only a hand takes back that of another."""

    texts: dict[str, Text]
    units: dict[str, Unit]
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `dump` wrote. Raises ValueError, TypeError, KeyError."""
        saved: dict[str, Any] = load(text)
        return cls({path: Text(*text) for path, text in saved["texts"].items()},
                   {name: Unit(*unit) for name, unit in saved["units"].items()}, saved.get("digest", ""))  # fmt: skip

    def dump(self) -> str:
        """Write it for the next process."""
        return json.dumps(self._asdict())


def saved(host: Host) -> Record | None:
    """Give the record of a setup that has not ended; one that cannot be read is none: it was not whole yet."""
    try:
        return Record.parse(host.read(FILE))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def foreign(host: Host, digest: str) -> bool:
    """Return whether the record here is that of another setup than the one that asks; a hand (no digest) may touch any."""
    kept = saved(host)
    return bool(digest) and kept is not None and kept.digest != digest


def carried(old: Record | None, now: Record) -> Record:
    """Go on with the record of a setup that was killed: what it wrote itself is not how the host was before.

    What was changed by hand since then is how the host is now.
    """
    if old is None:
        return now
    texts = {path: _carried(old.texts.get(path), text) for path, text in now.texts.items()}
    return Record(texts, now.units | old.units, now.digest)


def _carried(old: Text | None, now: Text) -> Text:
    return now._replace(before=old.before) if old and old.ours == now.before else now


def save(host: Host, record: Record) -> None:
    """Keep it before anything is changed. Raises OSError."""
    host.write(FILE, record.dump(), durable=True)
