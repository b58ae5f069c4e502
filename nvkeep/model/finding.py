"""A precondition of serving, as it was found on a host, and how it is printed. Pure."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from nvkeep.errors import NvkeepError


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
    ANSWERED = "answered"


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


class Lack(NamedTuple):
    """Why something is out of this host's reach, the command that fixes it, and what kind it is."""

    why: str
    fix: str
    code: FindingCode = FindingCode.OTHER


def looked(what: str, look: Callable[[], Lack | str]) -> Found:
    """Look at one precondition: `look` gives what is wrong, or else says what it saw; what it cannot determine is unknown."""
    try:
        return seen(what, look())
    except (NvkeepError, OSError) as error:
        return unknown(what, error)


def seen(what: str, outcome: Lack | str) -> Found:
    """Report what a look has given."""
    return Found(what, Mark.OK, outcome) if isinstance(outcome, str) else Found(what, Mark.NOT_OK, *outcome)


def unknown(what: str, error: Exception) -> Found:
    """Report a precondition that cannot be determined, in one line."""
    return Found(what, Mark.UNKNOWN, " ".join(str(error).split()))


def lacking(looks: Iterable[Found]) -> list[Finding]:
    """Pick what does not hold; what is unknown is not unmet."""
    return [Finding(look.what, look.why, look.fix, look.code) for look in looks if look.mark is Mark.NOT_OK]


def brief(findings: Sequence[Finding]) -> str:
    """Report the first, and how many more there are; empty when there is none."""
    more = f" (and {len(findings) - 1} more: nvkeep check --host)" if len(findings) > 1 else ""
    return f"{findings[0]}{more}" if findings else ""
