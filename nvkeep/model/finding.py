"""A precondition of serving, as it was found on a host, and how it is said. Pure."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple


class Mark(StrEnum):
    """How a precondition was found; what is unknown is not unmet."""

    OK = "[OK]"
    NOT_OK = "[NOT OK]"
    UNKNOWN = "[UNKNOWN]"


class FindingCode(StrEnum):
    """What kind of finding it is, where a program goes by that: `nvkeep setup` brings what the first three want."""

    OTHER = ""
    NOT_GENERATED = "not generated"
    NO_FIFO = "no fifo"
    NOT_LOADED = "not loaded"
    NOT_RESTARTED = "not restarted"
    HEARTBEAT = "heartbeat"


class Found(NamedTuple):
    """One precondition as it was found. `why`: what is wrong, as a sentence of its own; what was seen where nothing is."""

    what: str
    mark: Mark
    why: str
    fix: str = ""
    code: FindingCode = FindingCode.OTHER

    def __str__(self) -> str:
        return f"{self.mark} {self.what}: {'; '.join(filter(None, (self.why, self.fix)))}"


class Finding(NamedTuple):
    """What does not hold: of what, why, the command that fixes it, and what kind it is."""

    what: str
    why: str
    fix: str = ""
    code: FindingCode = FindingCode.OTHER

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.why, self.fix)))


def lacking(found: Iterable[Found]) -> list[Finding]:
    """Pick what does not hold; what is unknown is not unmet."""
    return [Finding(one.what, one.why, one.fix, one.code) for one in found if one.mark is Mark.NOT_OK]


def told(found: Sequence[Finding]) -> str:
    """Say the first, and how many more there are; empty when there is none."""
    more = f" (and {len(found) - 1} more: nvkeep check --host)" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""
