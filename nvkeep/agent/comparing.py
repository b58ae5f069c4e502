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

LOOK_S = 10.0  # between two looks whether another host has asked; and at this host, while hosts differ or one was answered
OWN_S = 60.0  # between two looks at this host itself, while nothing calls for one
SURE_S = 10.0  # until the next comparison after news: a host that was being changed differed for a moment only
AGAIN_S = 70.0  # and until the one after that did not reach a host


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
        """Compare where something calls for it; for this host alone where it looks again, or another host asked for it."""
        now = self.host.now()
        if self._changed(cluster) or now >= self.again_at:
            self._compare(cluster, alone=False)
        elif now >= self.sure_at or consistency.noted(self.host, consistency.ASKED) >= self.compared_at:
            self._compare(cluster, alone=True)

    def _changed(self, cluster: Cluster) -> bool:
        """Return whether this host is another one than at the last look, which is not made every time."""
        now = self.host.now()
        answered = consistency.noted(self.host, consistency.ANSWERED) >= self.looked_at
        if now < self.looked_at + (LOOK_S if answered or consistency.disagreements(self.host) else OWN_S):
            return False
        before, self.own = self.own, consistency.own(self.host, cluster)
        self.looked_at = now
        return self.own != before

    def _compare(self, cluster: Cluster, *, alone: bool) -> None:
        self.compared_at = self.looked_at = self.host.now()  # who asks meanwhile may have been looked at before it changed
        self.again_at = self.compared_at + AGAIN_S  # should this one fail
        self.own, before = consistency.own(self.host, cluster), consistency.read(self.host)
        outcome = consistency.renew(self.host, cluster, alone=alone)
        _log(before, outcome)
        now = self.host.now()
        unreached = any(peer.unreached for peer in outcome.values())
        self.sure_at = now + SURE_S if _differs(before) != _differs(outcome) else math.inf
        self.again_at = now + (AGAIN_S if unreached else consistency.LONGEST_S)


def _differs(compared: Mapping[str, Compared]) -> dict[str, object]:
    return {name: peer.differs for name, peer in compared.items()}


def _log(before: Mapping[str, Compared], now: Mapping[str, Compared]) -> None:
    """Log what is new."""
    known = {difference for peer in before.values() for difference in peer.differs}
    for difference in dict.fromkeys(difference for peer in now.values() for difference in peer.differs):
        if difference not in known:
            log.note(difference.text, logging.WARNING)
