"""Writes the page of the cluster anew where cluster.yaml names a place for it: once something has changed here, and every hour.

It asks the other hosts over ssh, which is a login and lines in their journals; so not more often.
"""

import logging
import math
from collections.abc import Callable

from nvkeep import log
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.state.service import Store
from nvkeep.status.report import write

LOOK_S = 5.0
REST_S = 60.0  # at least between two pages: each is a login on every other host
EVERY_S = 3600.0


class Reporting:
    """The page of one host; times are seconds since boot."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.written, self.at = "", -math.inf

    def run(self, cluster: Callable[[], Cluster | None]) -> None:
        """Look for ever."""
        while True:
            self.host.sleep(LOOK_S)
            try:
                if (known := cluster()) and known.report:
                    self.look(known, known.report)
            except Exception as error:  # noqa: BLE001 - a page that cannot be written must not end the thread
                log.note(f"cannot write the page: {type(error).__name__}: {error}", logging.ERROR)

    def look(self, cluster: Cluster, file: str) -> None:
        """Write it where something has changed since, or it is an hour old."""
        now, seen = self.host.now(), self._seen(cluster)
        if now - self.at >= (EVERY_S if seen == self.written else REST_S):
            self.written, self.at = seen, now
            write(self.host, cluster, file)

    def _seen(self, cluster: Cluster) -> str:
        """Give what a change of is worth a new page."""
        reports = [Store(self.host, service).report() for service in cluster.services_of(self.host.name)]
        keys = ("line", "did", "eligible", "holder")
        return str([[report.get(key) for key in keys] for report in reports])
