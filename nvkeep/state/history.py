"""The history on this host, as passes have written it (log.py), and the metrics; what cannot be read is passed over."""

from contextlib import suppress
from typing import Any

from nvkeep.host import Host, lines, load
from nvkeep.model.history import HISTORY, HISTORY_BYTES, OLDER
from nvkeep.state.files import RUN, written

READ_BYTES = 4 * HISTORY_BYTES
KEYS = {
    "id": str, "wall": float, "began": float, "seconds": float, "service": str, "line": int, "did": str,
    "why": str, "by": str, "settled": bool, "facts": dict, "steps": list,
}  # fmt: skip


def read(host: Host, service: str = "") -> list[dict[str, Any]]:
    """Read the entries of a service, or of all, oldest first. Raises PermissionError, OSError."""
    entries: list[dict[str, Any]] = []
    for path in (OLDER, HISTORY):
        with suppress(FileNotFoundError):
            entries += filter(None, map(_entry, lines(host.read(path, READ_BYTES))))
    return [entry for entry in entries if not service or entry["service"] == service]


def _entry(line: str) -> dict[str, Any] | None:
    try:
        record = load(line)
    except ValueError:
        return None
    well = isinstance(record, dict) and _shaped(record) and all(map(_step, record["steps"]))
    return {"answered": None, "outage": None} | record if well else None


def _shaped(record: dict[str, Any]) -> bool:
    given = [value for key in ("answered", "outage") if (value := record.get(key)) is not None]
    return all(_is(record.get(key), kind) for key, kind in KEYS.items()) and all(_is(value, float) for value in given)


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) or (kind is float and isinstance(value, int) and not isinstance(value, bool))


def _step(step: object) -> bool:
    if not isinstance(step, dict):
        return False
    texts = all(isinstance(step.get(key), str) for key in ("key", "word", "reason", "verb"))
    return texts and all(_is(step.get(key), float) for key in ("begun", "seconds")) and isinstance(step.get("ran"), list)


def measured(host: Host, service: str) -> str:
    """Read the metrics of a service as the last pass of this boot has written them; empty where there are none."""
    with suppress(OSError):
        return host.read(_metrics(service))
    return ""


def save_measured(host: Host, service: str, text: str) -> None:
    """Write them, for node_exporter's textfile collector."""
    written(host, _metrics(service), text)


def _metrics(service: str) -> str:
    return f"{RUN}/metrics/{service}.prom"
