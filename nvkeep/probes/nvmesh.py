"""NVMesh's own word on this host: /proc/nvmeibc/volumes/VOLUME/status.json. Keys and values as in docs/backends.md.

Two generations of writers exist: numbers may be hex strings or integers, booleans 0/1 or true/false; keys vanish while a
volume is being detached.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from nvkeep.errors import ProbeError
from nvkeep.host import Completed, Host, first, load

EXCLUSIVE = "EXCLUSIVE_READ_WRITE"
LIVE = frozenset({"Live, with IO", "Live, with IO, no protection"})
PREEMPTED = 0x10  # the attach status in the high byte of dbg
READ_ATTEMPTS = 3
READ_DELAY_S = 0.05  # the file is rewritten in place
READY = "module state=1"


class Entry(NamedTuple):
    """One attachment. `io`: reads and writes work now; `status` is the client's own sentence."""

    reservation: str | None
    version: int | None
    io: bool
    preempted: bool
    detaching: bool
    status: str

    @property
    def mode(self) -> str:
        """How it is attached, in the words of the kind."""
        if self.preempted:
            return "preempted"
        if self.detaching:
            return "detaching"
        return {EXCLUSIVE: "exclusive", None: "unknown"}.get(self.reservation, "shared")


def read(host: Host, proc: str, volume: str) -> Entry | None:
    """Read one attachment, None when there is none here. Raises ProbeError when the client cannot tell."""
    _ready(host, proc)
    path = f"{proc}/volumes/{volume}/status.json"
    for attempt in range(READ_ATTEMPTS):
        try:
            return parse(host.read(path))
        except FileNotFoundError:
            if volume not in host.names(f"{proc}/volumes"):  # the client has just said that it is ready: that is the sign
                return None
            why = "status.json is missing"
        except OSError as error:
            why = error.strerror or str(error)
        except ProbeError as error:
            why = str(error)
        if attempt < READ_ATTEMPTS - 1:
            host.sleep(READ_DELAY_S)
    raise ProbeError(f"{path}: {why}")


def _ready(host: Host, proc: str) -> None:
    if why := unready(host, proc):
        raise ProbeError(f"{why}; systemctl status nvmeshclient")


def unready(host: Host, proc: str) -> str:
    """Say why the NVMesh client of this host does nothing; empty when it is ready."""
    try:
        state = host.read(f"{proc}/status")
    except OSError as error:
        return f"the NVMesh client does not run here ({proc}/status: {error.strerror})"
    return "" if READY in state else f"the NVMesh client is not ready ({first(state)})"


@lru_cache(maxsize=256)  # a holder reads it every second, and it seldom changes
def parse(text: str) -> Entry | None:
    """Parse status.json; None for a hidden attachment of NVMesh's own. Raises ProbeError."""
    try:
        status = load(text)
        return None if _hidden(status) else _entry(status)
    except (ValueError, TypeError, AttributeError) as error:
        raise ProbeError(f"not the status of a volume: {error}") from error


def _hidden(status: dict[str, Any]) -> bool:
    return status.get("type") == "hidden" or status.get("reservation") == "Recovery Only"


def _entry(known: dict[str, Any]) -> Entry:
    dbg = _number(known.get("dbg"))
    attach, status = known.get("attach_status"), str(known.get("status", ""))
    mine, highest = _number(known.get("reservation_version")), _number(known.get("RVMS"))
    outdated = mine is not None and highest is not None and highest > mine
    flagged = dbg is not None and bool((dbg >> 8) & PREEMPTED)
    preempted = attach == "Preempted" or status.startswith("Reservation Preempted") or outdated or flagged
    detaching = attach in ("Detaching", "DetUpging") or "status" not in known or dbg is None
    enabled = "io_enabled" not in known or _number(known["io_enabled"]) == 1
    live = status in LIVE and dbg is not None and dbg & 0xFF == 0 and attach in (None, "Attached")
    return Entry(
        _word(known.get("reservation")), mine, live and enabled and not preempted, preempted, detaching, status or str(attach)
    )


def _word(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"reservation: {value!r}")


def _number(value: object) -> int | None:
    if isinstance(value, str):
        return int(value, 0)
    return int(value) if isinstance(value, int) else None


def words_of(done: Completed) -> list[str]:
    """Return the answer about the volume, then about the whole; plain text where it is not JSON."""
    answer = answer_of(done)
    if answer is None:
        return [" ".join((done.out + done.err).split())]
    volumes = answer.get("volumes")
    mine = volumes.get(done.argv[-1], {}) if isinstance(volumes, dict) else {}
    answers = [mine.get("error"), mine.get("status"), answer.get("error")] if isinstance(mine, dict) else [answer.get("error")]
    return [str(word) for word in answers if word]


def answer_of(done: Completed) -> dict[str, Any] | None:
    """Find the JSON among whatever else the command printed, on stdout or stderr; None when there is none."""
    for text in (done.out, done.err):
        start, end = text.find("{"), text.rfind("}")
        try:
            answer = load(text[start : end + 1]) if 0 <= start < end else None
        except ValueError:
            continue
        if isinstance(answer, dict):
            return answer
    return None
