"""When this host is compared with the others: once something has changed on either, and else every few hours.

A comparison is a login on every other host, and several lines in its journal; one a minute would fill that. So a host looks at
what it can see of itself for next to nothing, and compares when that has changed. Whoever is asked then compares too.
"""

import logging
import math
from collections.abc import Callable, Mapping

from nvkeep import log
from nvkeep.checks import consistency
from nvkeep.host import Host
from nvkeep.model.consistency import Compared, Parts
from nvkeep.model.spec import Cluster

LOOK_S = 10.0  # between two looks whether another host has asked; and at this host itself, while hosts differ
OWN_S = 60.0  # between two looks at this host itself, while they agree
ECHO_S = 60.0  # who is asked within that time of a comparison of its own is asked because of that
SURE_S = 10.0  # until the next one after news: a host that was being changed differed for a moment only
AGAIN_S = 70.0  # and until the one after that, or after one that did not reach a host: what an echo hid is seen then


class Comparing:
    """One host, compared with all those that it shares a service with. Times are seconds since boot."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.own: Parts = {}
        self.looked_at = self.compared_at = -math.inf
        self.sure_at, self.again_at = math.inf, -math.inf

    def run(self, cluster: Callable[[], Cluster | None]) -> None:
        """Compare for ever; for a thread of its own, so that no pass ever waits for another host."""
        while True:
            self.host.sleep(LOOK_S)
            try:
                if known := cluster():
                    self.look(known)
            except Exception as error:  # noqa: BLE001 - a comparison that fails must not end the thread
                log.note(f"cannot compare the hosts: {type(error).__name__}: {error}", logging.ERROR)

    def look(self, cluster: Cluster) -> None:
        """Compare where something calls for it."""
        asked = consistency.asked(self.host) > self.compared_at + ECHO_S
        if self._changed(cluster) or asked or self.host.now() >= min(self.sure_at, self.again_at):
            self._compare(cluster)

    def _changed(self, cluster: Cluster) -> bool:
        """Return whether this host is another one than at the last look, which is not made every time."""
        now = self.host.now()
        if now < self.looked_at + (LOOK_S if consistency.disagreements(self.host) else OWN_S):
            return False
        before, self.own = self.own, consistency.own(self.host, cluster)
        self.looked_at = now
        return self.own != before

    def _compare(self, cluster: Cluster) -> None:
        before = consistency.read(self.host)
        outcome = consistency.renew(self.host, cluster)
        _log(before, outcome)
        now = self.compared_at = self.host.now()
        news = _differs(before) != _differs(outcome)
        self.sure_at = now + SURE_S if news else math.inf
        if news or any(peer.unreached for peer in outcome.values()):
            self.again_at = now + AGAIN_S
        elif now >= self.again_at:
            self.again_at = now + consistency.LONGEST_S


def _differs(compared: Mapping[str, Compared]) -> dict[str, object]:
    return {name: peer.differs for name, peer in compared.items()}


def _log(before: Mapping[str, Compared], now: Mapping[str, Compared]) -> None:
    """Log what is new."""
    known = {difference for peer in before.values() for difference in peer.differs}
    for difference in dict.fromkeys(difference for peer in now.values() for difference in peer.differs):
        if difference not in known:
            log.note(difference.text, logging.WARNING)
