"""What the agent does for one service: it makes a pass when something has happened or is due, one at a time.

Once a second it looks whether a held volume is still held and whether something is due; a pass is, every `timing.reconcile`
seconds. The end of a unit's main process wakes it. An event that comes during a pass makes one more pass.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

from nvkeep import log
from nvkeep.agent.upgrade import Passes
from nvkeep.agent.watchdog import Pulse, beating
from nvkeep.core.due import TICK_S, Due, until_announcement
from nvkeep.core.liveness import Watched
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import ProbeError
from nvkeep.host import Host
from nvkeep.host.events import Events
from nvkeep.model.spec import Cluster
from nvkeep.probes import unit
from nvkeep.state.service import PASS_WAIT_S, Store

PASS_GAP_S = 0.1  # from the begin of a short pass to the next over a service, and after a long one: events come in swarms
PASS_FREE_S = 0.05  # at least for which the lock of the service is free for others


class Worker:
    """A thread for a service, which makes its passes; `cluster` gives the configuration in force, `watched` what was heard."""

    def __init__(
        self,
        host: Host,
        service: str,
        cluster: Callable[[], Cluster | None],
        events: Events,
        passes: Passes,
        watched: Watched = lambda: None,
    ) -> None:
        self.pulse = Pulse(host)
        self.host, self.service, self.cluster = beating(host, self.pulse), service, cluster
        self.events, self.passes, self.watched = events, passes, watched
        self.store = Store(self.host, service)
        self.due: Due | None = None
        self.known: Cluster | None = None
        self.wake = threading.Event()
        self.pids: set[int] = set()
        self.passed = 0.0  # when the last pass ended, seconds since boot

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._work, name=self.service, daemon=True).start()

    def _work(self) -> None:
        while True:
            notified, began = self.wake.wait(min(TICK_S, until_announcement(self.store))), self.host.now()
            self.wake.clear()
            cluster = self.cluster()
            self.pulse.longest = max(PASS_WAIT_S, cluster.timing.step if cluster else 0.0)
            rests = True
            try:
                if due := self._due(cluster):
                    with self.passes.slot():
                        rests = self._look_after(due, notified=notified)
            except Exception as error:  # noqa: BLE001 - one service's trouble must not silence the agent for it
                log.note(f"{self.service}: {type(error).__name__}: {error}", 40, service=self.service)
            took = self.host.now() - began
            if rests:
                self.host.sleep(PASS_GAP_S if took >= PASS_GAP_S else max(PASS_FREE_S, PASS_GAP_S - took))

    def _due(self, cluster: Cluster | None) -> Due | None:
        """Give what to look at; None where this host may not run the service."""
        if cluster is not self.known:
            mine = cluster and self.service in cluster.services_of(self.host.name)
            self.due = Due(self.host, cluster, self.service) if cluster and mine else None
            self.known = cluster
        return self.due

    def _look_after(self, due: Due, *, notified: bool) -> bool:
        """Make a pass when something notified, or is due; return whether one was made."""
        pressed = notified or due.pressing()
        if not pressed and not due.over(self.passed):
            return False
        run_pass(self.host, due.cluster, self.service, self.watched, wait=PASS_WAIT_S, anew=pressed)
        self.passed = self.host.now()
        with suppress(ProbeError, OSError):  # the next pass finds a unit whose end no event source reports
            self._watch_units(due.cluster)
        return True

    def _watch_units(self, cluster: Cluster) -> None:
        """Watch the main process of every unit that this host serves."""
        if not self.store.claimed():
            return
        for name in cluster.services[self.service].units:
            pid = unit.read(self.host, name).pid
            if pid and pid not in self.pids and self._watch_end(pid):
                self.pids.add(pid)

    def _watch_end(self, pid: int) -> int | None:
        return self.events.on_end(pid, lambda: self._unit_ended(pid))

    def _unit_ended(self, pid: int) -> None:
        self.pids.discard(pid)
        self.wake.set()
