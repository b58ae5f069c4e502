"""The resident: hears that something may have changed and starts a pass at once. It decides nothing and remembers nothing.

What it hears: keepalived's FIFO (a line is only a doorbell), the end of keepalived, changes of mounts, links and addresses. A
worker for each service (agent/worker.py) makes the passes. The timer makes those that are overdue, without the agent. When
nvkeep is upgraded it continues as the new code, between two passes.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path

from nvkeep import config, log
from nvkeep.agent.hearing import Hearing
from nvkeep.agent.upgrade import Passes, Upgrade
from nvkeep.agent.watchdog import Pulse, Watchdog
from nvkeep.agent.worker import TICK_S, Worker
from nvkeep.checks.consistency import keep_comparing
from nvkeep.errors import ConfigError, NvkeepError, UnsafeFile
from nvkeep.host import Host
from nvkeep.host.events import Events, tell_systemd
from nvkeep.keepalived import service_of
from nvkeep.model.spec import Cluster
from nvkeep.state import host as host_state
from nvkeep.state.lateness import DROP_IN, TIMER

Signature = tuple[int, int, int]


class Agent:
    """All services of this host."""

    def __init__(self, host: Host, path: str) -> None:
        self.host = host
        self.path = path
        self.events = Events()
        self.workers: dict[str, Worker] = {}
        self.cluster: Cluster | None = None
        self.signature: Signature | None = None
        self.hearing = Hearing(host, self.events, self._heard, self._wake_all, self._say)
        self.passes = Passes()
        self.upgrade = Upgrade(host, self.passes)
        self.logged: set[str] = set()
        self.pulse = Pulse(host)
        self.watchdog = Watchdog(host, self.pulse, lambda: {name: worker.pulse for name, worker in [*self.workers.items()]})

    def run(self) -> None:
        """Run until systemd ends the process."""
        self.hearing.listen()
        self.events.on_mounts(self._wake_all)
        self.events.on_network(self._wake_all)
        self._reload()
        threading.Thread(target=keep_comparing, args=(self.host, lambda: self.cluster), daemon=True).start()
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
        self.hearing.tick(self.cluster)
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

    # --- the configuration --------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Read cluster.yaml when it is another file than before; a wrong one lowers every flag and changes nothing else."""
        signature = _signature(self.path)
        if signature == self.signature:
            return
        self.signature = signature
        try:
            self.cluster = config.load(self.path)
        except (ConfigError, UnsafeFile) as error:
            self.cluster = None
            log.note(f"{error}\nno service of this host may move here until this is fixed: nvkeep check", 40)
            with suppress(OSError):
                host_state.lower_all_flags(self.host)
            return
        host_state.keep_right(self.host, self.path)
        threading.Thread(target=set_timer, args=(self.host, self.cluster.timing.reconcile), daemon=True).start()
        host_state.mark_failback(self.host, wanted=self.cluster.asks_back(self.host.name))
        self._disown(self.cluster)
        for service in self.cluster.services_of(self.host.name):
            if service not in self.workers:
                self.workers[service] = Worker(self.host, service, lambda: self.cluster, self.events, self.passes)
                self.workers[service].start()
        self._wake_all()

    def _disown(self, cluster: Cluster) -> None:
        """Lower the flags of services that this host may not run, and say so where it may run none."""
        mine = cluster.services_of(self.host.name)
        if not mine:
            log.note(f"{self.host.name} may run no service of {self.path}; its hosts are {', '.join(cluster.hosts)}", 40)
        with suppress(OSError):
            host_state.lower_flags(self.host, keep=mine)


def _signature(path: str) -> Signature:
    try:
        seen = Path(path).stat()
    except OSError:
        return (0, 0, 0)
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size)


def set_timer(host: Host, seconds: float) -> None:
    """Have systemd make a pass every so many seconds, with or without the agent; where that fails, it stays as it is."""
    every = f"{seconds:g}"
    text = f"[Timer]\nOnActiveSec=\nOnUnitActiveSec=\nOnActiveSec={every}\nOnUnitActiveSec={every}\n"
    with suppress(OSError):
        if host.read(DROP_IN) == text:
            return
    with suppress(OSError, NvkeepError):
        host.write(DROP_IN, text)
        host.run(("systemctl", "daemon-reload"), 30.0)
        host.run(("systemctl", "try-restart", "--no-block", TIMER), 10.0)
