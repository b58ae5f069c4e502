"""Standing aside: a master that finds the service served lowers its flag, and listens again after a while. Pure.

Times are seconds of CLOCK_BOOTTIME, 0 = not at all. Listening begins when the flag is up again. keepalived says BACKUP for as
long as it listens, heard or not, so BACKUP counts as having heard only when it lasts longer than a silent master could be.
"""

from typing import NamedTuple

from nvkeep.model.role import Role

FIRST, LONGEST = 10.0, 300.0  # seconds; each time it was in vain, twice as long


class Aside(NamedTuple):
    """Until when the flag is down, for how long that was, since when this host listens, and for whom it stands aside.

    `holders`: the volumes with the versions of their reservations, so that another holder is somebody to stand aside for anew.
    """

    until: float = 0.0
    patience: float = 0.0
    listening_since: float = 0.0
    holders: str = ""

    def waited_for(self, holders: str, now: float) -> bool:
        """Tell whether this host has stood aside for these holders, and that is over."""
        return self.patience > 0 and now >= self.until and self.holders == holders


def stand(old: Aside, now: float, holders: str) -> Aside:
    """Step aside once more."""
    patience = min(LONGEST, 2 * old.patience or FIRST)
    return Aside(now + patience, patience, 0.0, holders)


def listen(old: Aside, role: Role, now: float, master_down: float) -> Aside:
    """Advance by what is heard now."""
    if now < old.until or not old.patience:
        return old
    since = old.listening_since or now
    heard = role is Role.BACKUP and now - since > 2 * master_down
    return Aside() if heard else old._replace(listening_since=since)
