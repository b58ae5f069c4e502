"""What is on record of one service on one host beside who holds it: the times of this boot, and why it is held."""

from dataclasses import dataclass

from nvkeep.model.aside import Aside


@dataclass(frozen=True)
class Spell:
    """Times of this boot, in seconds of CLOCK_BOOTTIME; 0 = not at all."""

    cooling_until: float = 0.0
    cooling_why: str = ""
    yield_until: float = 0.0
    patience: float = 0.0
    listening_since: float = 0.0
    aside_for: str = ""
    announce_since: float = 0.0
    announce_at: float = 0.0
    io_bad_since: float = 0.0
    candidate_since: float = 0.0
    carrier_lost_since: float = 0.0

    @property
    def aside(self) -> Aside:
        """Until when, and for whom, this host stands aside."""
        return Aside(self.yield_until, self.patience, self.listening_since, self.aside_for)


@dataclass(frozen=True)
class Held:
    """What failed (the key of a resource), why the service is held, and since when (for people: local time)."""

    key: str
    why: str
    since: str
