"""What a pass did, and how each resource stands after it."""

from dataclasses import field
from enum import StrEnum
from typing import Any

from nvkeep.model.decision import Action
from nvkeep.model.frozen import frozen
from nvkeep.model.plan import WANT, Want


class Word(StrEnum):
    """How one resource stands; a closed list."""

    IN_SYNC = "in-sync"
    CONVERGED = "converged"
    CONVERGING = "converging"
    DRIFTED = "drifted"
    FAILED = "failed"
    BLOCKED = "blocked"
    STUCK = "stuck"
    LOST = "lost"
    DENIED = "denied"
    UNKNOWN = "unknown"


GONE = {action for action, want in WANT.items() if want is not Want.HERE}  # an order may end while this waits for a pass
SETTLED = frozenset({Word.IN_SYNC, Word.CONVERGED})


@frozen
class Outcome:
    """How one resource stands after a pass; `seconds`: what its moves took, `begun`: when (since boot); `verb`: which."""

    key: str
    word: Word
    reason: str = ""
    seconds: float = 0.0
    ran: tuple[str, ...] = ()
    begun: float = 0.0
    verb: str = ""


@frozen
class Report:
    """One pass over one service."""

    service: str
    line: int
    did: Action
    why: str
    outcomes: tuple[Outcome, ...] = ()
    role: str = ""
    holder: str = ""
    eligible: bool = False
    eligible_why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, float] = field(default_factory=dict)  # ends of passes that the history has, and when (since boot)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return all(outcome.word in SETTLED for outcome in self.outcomes)

    @property
    def gone(self) -> bool:
        """Whether the pass has left nothing of its service here."""
        return self.did in GONE and self.settled

    def having(self, *words: Word) -> tuple[Outcome, ...]:
        """Pick the outcomes with one of these words."""
        return tuple(outcome for outcome in self.outcomes if outcome.word in words)
