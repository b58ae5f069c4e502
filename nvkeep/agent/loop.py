"""The resident: hears that something may have changed and starts a pass at once. It decides nothing and remembers nothing.

What it hears: keepalived's FIFO (a line is only a doorbell), the end of keepalived, changes of mounts, links and addresses. A
worker for each service (agent/worker.py) makes the passes. The timer makes those that are overdue, without the agent. When
nvkeep is upgraded it continues as the new code, between two passes.
"""

import os
import threading
from functools import partial

from nvkeep import log
from nvkeep.agent import beside
from nvkeep.agent.arp_monitor import ArpMonitor
from nvkeep.agent.configuration import Configuration
from nvkeep.agent.hearing import Hearing
from nvkeep.agent.upgrade import Passes, Upgrade
from nvkeep.agent.watchdog import Pulse, Watchdog
from nvkeep.agent.worker import Worker
from nvkeep.core.due import TICK_S
from nvkeep.host import Host
from nvkeep.host.events import Events, tell_systemd
from nvkeep.keepalived import service_of


class Agent:
    """All services of this host."""

    def __init__(self, host: Host, path: str) -> None:
        self.host = host
        self.configuration = Configuration(host, path)
        self.events = Events()
        self.workers: dict[str, Worker] = {}
        self.hearing = Hearing(host, self.events, self._heard, self._wake_all, self._say)
        self.passes = Passes()
        self.upgrade = Upgrade(host, self.passes)
        self.monitor = ArpMonitor(host, self.configuration.current)
        self.logged: set[str] = set()
        self.pulse = Pulse(host)
        self.watchdog = Watchdog(host, self.pulse, lambda: {name: worker.pulse for name, worker in [*self.workers.items()]})

    def run(self) -> None:
        """Run until systemd ends the process."""
        self.hearing.listen()
        self.events.on_mounts(self._wake_all)
        self.events.on_network(self._wake_all)
        self._reload()
        beside.start(self.host, self.configuration.current)
        threading.Thread(target=self.monitor.run, name="watch", daemon=True).start()
        tell_systemd("READY=1")
        self.watchdog.start()
        while True:
            self.events.wait(TICK_S)
            self._tick()
            self.pulse.beat()

    # --- what wakes ---------------------------------------------------------------------------------------------------

    def _heard(self, line: str) -> None:
        log.event(line)
        words = line.split('"')
        worker = self.workers.get(service_of(words[1])) if len(words) > 1 else None
        if worker:
            worker.wake.set()
        elif line.startswith("INSTANCE"):
            return  # another administrator's instance
        else:
            self._wake_all()

    def _wake_all(self) -> None:
        for worker in self.workers.values():
            worker.wake.set()

    def _tick(self) -> None:
        self._reload()
        self.hearing.tick(self.configuration.current())
        self.upgrade.seek()

    def _say(self, trouble: str) -> None:
        """Log what lasts, once."""
        if trouble not in self.logged:
            self.logged.add(trouble)
            log.note(trouble, 40)

    def finish(self, patience: float) -> None:
        """Begin no pass any more, and give the one under way a moment; the next pass goes on from wherever it was."""
        with self.passes.none(patience):
            tell_systemd("STOPPING=1")
            log.flush()
            os._exit(0)  # not sys.exit: that waits for threads, and one may wait for a command that takes a minute

    def _worker(self, service: str) -> Worker:
        known = self.configuration.current
        return Worker(self.host, service, known, self.events, self.passes, partial(self.monitor.unanswered, service))

    def _reload(self) -> None:
        """Give each service of this host a worker once cluster.yaml is another one than before, and right."""
        if not self.configuration.renewed():
            return
        for service in self.configuration.services():
            if service not in self.workers:
                self.workers[service] = self._worker(service)
                self.workers[service].start()
        self._wake_all()
