"""The resident: hears that something may have changed and starts a pass at once. It decides nothing and remembers nothing.

What it hears: keepalived's FIFO (a line is only a doorbell), the end of keepalived and of the units' main processes, changes of
mounts, links and addresses. Once a second it looks whether a held volume is still held and whether something is due. The timer
runs the same passes whether or not the agent lives. When nvkeep is upgraded it goes on as the new code, between two passes.
"""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nvkeep import config, log
from nvkeep.agent import timer
from nvkeep.agent.arp_monitor import ArpMonitor
from nvkeep.agent.upgrade import Passes, Upgrade
from nvkeep.checks.consistency import keep_comparing
from nvkeep.core.plan import lost
from nvkeep.core.reconcile import run_pass
from nvkeep.errors import ConfigError, ProbeError, UnsafeFile
from nvkeep.host import Host
from nvkeep.host.events import Events, Fifo, tell_systemd
from nvkeep.keepalived import CHILD_PID, FIFO, service_of
from nvkeep.model.spec import Cluster
from nvkeep.probes import fifo, unit
from nvkeep.state import host as host_state
from nvkeep.state.service import Store

BREATH = 0.1  # seconds between two passes over a service: events come in swarms
TICK = 1.0  # seconds between two looks at what no event source reports
Signature = tuple[int, int, int]


@dataclass
class Worker:
    """One thread a service; an event that comes during a pass makes one more pass."""

    service: str
    watch: ArpMonitor
    wake: threading.Event = field(default_factory=threading.Event)
    pids: set[int] = field(default_factory=set)


class Agent:
    """All services of this host."""

    def __init__(self, host: Host, path: str) -> None:
        self.host = host
        self.path = path
        self.events = Events()
        self.workers: dict[str, Worker] = {}
        self.cluster: Cluster | None = None
        self.signature: Signature | None = None
        self.keepalived: int | None = None
        self.gone: int | None = None
        self.listener = Fifo(self.events, FIFO, self._heard)
        self.passes = Passes()
        self.upgrade = Upgrade(host, self.passes)
        self.said: set[str] = set()

    def run(self) -> None:
        """Run until the process is told to end."""
        self._listen()
        self.events.on_mounts(self._wake_all)
        self.events.on_network(self._wake_all)
        self._reload()
        threading.Thread(target=keep_comparing, args=(self.host, lambda: self.cluster), daemon=True).start()
        tell_systemd("READY=1")
        while True:
            self.events.wait(TICK)
            self._tick()

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
        self._watch_keepalived()
        self._listen()
        self.upgrade.seek()

    def _listen(self) -> None:
        """Hold the FIFO open, also where it was removed. While keepalived cannot be heard, the tick starts the passes."""
        try:
            self.listener.hold()
            deaf = "" if self.listener.former else fifo.deaf(self.host)
        except OSError as error:
            deaf = f"keepalived cannot be heard, roles are only asked: {error}"
        if deaf:
            self._say(deaf)
            self._wake_all()

    def _say(self, trouble: str) -> None:
        """Log what lasts, once."""
        if trouble not in self.said:
            self.said.add(trouble)
            log.note(trouble, 40)

    def finish(self, patience: float) -> None:
        """Begin no pass any more, and give the one under way a moment; the next pass goes on from wherever it was."""
        with self.passes.none(patience):
            tell_systemd("STOPPING=1")
            os._exit(0)  # not sys.exit: that waits for threads, and one may wait for a command that takes a minute

    def _due(self, cluster: Cluster, service: str) -> bool:
        """Return whether time alone, or the storage, calls for a pass."""
        store = Store(self.host, service)
        timers, now = store.timers(), self.host.now()
        if (
            timers.yield_until
            or timers.carrier_lost_since
            or timers.candidate_since
            or timers.io_bad_since
            or store.fencing().bars
            or 0 < timers.announce_at <= now
            or 0 < timers.cooling_until <= now < timers.cooling_until + 2 * TICK
        ):
            return True
        return store.claimed() and lost(self.host, cluster, service)

    def _watch_keepalived(self) -> None:
        """Watch keepalived's vrrp process: its start is heard by the FIFO, its death only by this."""
        try:
            pid = int(self.host.read(CHILD_PID))
        except (OSError, ValueError):
            return
        if pid not in (self.keepalived, self.gone) and self.events.on_end(pid, self._keepalived_ended):
            self.keepalived = pid

    def _keepalived_ended(self) -> None:
        log.note(f"keepalived (pid {self.keepalived}) has ended")
        self.keepalived, self.gone = None, self.keepalived  # its pid file stays for a while, and its end is notified only once
        self._wake_all()

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
        timer.set_interval(self.host, self.cluster.timing.reconcile)
        self._disown(self.cluster)
        for service in self.cluster.services_of(self.host.name):
            if service not in self.workers:
                self._look_out(service)
        self._wake_all()

    def _look_out(self, service: str) -> None:
        """Start what looks after a service: the thread that makes passes, and the watch over its addresses."""
        self.workers[service] = worker = Worker(service, ArpMonitor(self.host, service, lambda: self.cluster))
        threading.Thread(target=self._work, args=(worker,), name=service, daemon=True).start()
        threading.Thread(target=worker.watch.run, name=f"{service} watch", daemon=True).start()

    def _disown(self, cluster: Cluster) -> None:
        """Lower the flags of services that this host may not run, and say so where it may run none."""
        mine = cluster.services_of(self.host.name)
        if not mine:
            log.note(f"{self.host.name} may run no service of {self.path}; its hosts are {', '.join(cluster.hosts)}", 40)
        with suppress(OSError):
            host_state.lower_flags(self.host, keep=mine)

    # --- passes -------------------------------------------------------------------------------------------------------

    def _work(self, worker: Worker) -> None:
        while True:
            notified = worker.wake.wait(self._until_announcement(worker.service))
            worker.wake.clear()
            cluster = self.cluster
            try:
                if cluster and worker.service in cluster.services_of(self.host.name):
                    with self.passes.one():
                        self._look_after(cluster, worker, notified=notified)
            except Exception as error:  # noqa: BLE001 - one service's trouble must not silence the agent for it
                log.note(f"{worker.service}: {type(error).__name__}: {error}", 40, service=worker.service)
            self.host.sleep(BREATH)

    def _until_announcement(self, service: str) -> float:
        """Return the seconds to wait for an event: until the address is announced again, a tick at most."""
        at = Store(self.host, service).timers().announce_at
        if not at or host_state.unwritable(self.host):  # that it was done cannot be recorded either
            return TICK
        return min(TICK, max(0.0, at - self.host.now()))

    def _look_after(self, cluster: Cluster, worker: Worker, *, notified: bool) -> None:
        """Make a pass when something notified, or is due."""
        if not notified and not self._due(cluster, worker.service):
            return
        run_pass(self.host, cluster, worker.service, lambda: worker.watch.unanswered)
        with suppress(ProbeError, OSError):  # the timer's pass finds a unit whose end no event source reports
            self._watch_units(cluster, worker)

    def _watch_units(self, cluster: Cluster, worker: Worker) -> None:
        """Watch the main process of every unit that this host serves."""
        if not Store(self.host, worker.service).claimed():
            return
        for name in cluster.services[worker.service].units:
            pid = unit.read(self.host, name).pid
            if pid and pid not in worker.pids and self._watch_end(worker, pid):
                worker.pids.add(pid)

    def _watch_end(self, worker: Worker, pid: int) -> int | None:
        return self.events.on_end(pid, lambda: self._unit_ended(worker, pid))

    def _unit_ended(self, worker: Worker, pid: int) -> None:
        worker.pids.discard(pid)
        worker.wake.set()


def _signature(path: str) -> Signature:
    try:
        seen = Path(path).stat()
    except OSError:
        return (0, 0, 0)
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size)
