"""A volume that was taken from this host: when is that over? Pure; times are seconds of CLOCK_BOOTTIME.

While it bars this host, the host takes from nobody. It is over when the other host was heard (BACKUP for longer than an advert
can be late), or when the volume turns out to be free. A first one bars for FIRST_FENCING_S seconds only, but stays on record:
the next one without having heard in between is a second one, so that hosts that never hear each other do not take in turns.
"""

from dataclasses import replace

from nvkeep.model.frozen import frozen
from nvkeep.model.role import Role

FIRST_FENCING_S = 60.0  # after which a first fencing is over without having heard
LISTEN_AFTER_S = 1.0  # the flag stays 0 for so long after a fencing, so that keepalived and the other host notice
LISTEN_AGAIN_S = 10.0  # between two tries to listen


@frozen
class Fencing:
    """How often without hearing in between, when last, since when or from when it listens; `assumed`: there was no record."""

    count: int = 0
    at: float = 0.0
    listening_since: float | None = None
    listen_at: float = 0.0
    spent: bool = False
    assumed: bool = False

    @property
    def bars(self) -> bool:
        """Whether this host must take from nobody."""
        return self.count > 0 and not self.spent

    @property
    def taken(self) -> bool:
        """Whether it bars this host because a volume was really taken from it."""
        return self.bars and not self.assumed

    @property
    def deaf(self) -> bool:
        """Whether the flag has to be 0: something was lost and this is not the time to listen."""
        return self.bars and self.listening_since is None


def record_fencing(fencing: Fencing, now: float) -> Fencing:
    """Record that this host was fenced once more; listening starts a moment later."""
    return Fencing(fencing.count + 1, now, None, now + LISTEN_AFTER_S)


def rebooted(fencing: Fencing, now: float) -> Fencing:
    """Start the time of a fencing record again: clocks of another boot say nothing."""
    return replace(fencing, at=now, listening_since=None, listen_at=now, spent=False) if fencing.count else fencing


def listen(fencing: Fencing, role: Role, now: float, master_down: float) -> Fencing:
    """Advance a fencing record by what is heard now."""
    if not fencing.count:
        return fencing
    since = fencing.listening_since
    heard = since is not None and role is Role.BACKUP and now - since > 2 * master_down
    if heard:
        return Fencing()
    if fencing.spent or (fencing.count == 1 and now - fencing.at >= FIRST_FENCING_S):
        return replace(fencing, spent=True, listening_since=now if since is None else since)
    if since is not None and role is Role.MASTER:
        return replace(fencing, listening_since=None, listen_at=now + LISTEN_AGAIN_S)
    if since is None and now >= fencing.listen_at:
        return replace(fencing, listening_since=now)
    return fencing
