"""A real move of a service, and its way back, watched as a client would see it, and kept as evidence."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from nvkeep.admin.drain import DRAIN_LIMIT_S
from nvkeep.admin.peers import Peers
from nvkeep.admin.switchover import RETURN_LIMIT_S, TAKE_LIMIT_S, Switchover
from nvkeep.core import liveness
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.state.rehearsals import Rehearsal, configured, record

EVERY_S = 0.05  # between two questions of the client
ANSWER_TIMEOUT_S = 0.25
AT_ONCE = 6  # a question that was sent before the address is up gets no answer: the next one does not wait for it


@dataclass
class Client:
    """Asks the service again and again through its floating address: by its `health:`, else by ping."""

    host: Host
    cluster: Cluster
    service: str
    longest: float = 0.0
    answered_at: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin, with the first answer. Raises NvkeepError where there is none: then there is nothing to watch."""
        if not self._asked():
            raise NvkeepError(f"{self.service} does not answer through its address: nothing was moved; nvkeep status")
        self.answered_at = self.host.now()
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not self.over.wait(EVERY_S):
                pool.submit(self._once)

    def _once(self) -> None:
        if self._asked():
            with self.lock:
                now = self.host.now()
                self.longest, self.answered_at = max(self.longest, now - self.answered_at), now

    def _asked(self) -> bool:
        spec = self.cluster.services[self.service]
        try:
            if spec.health is None:
                return any(self.host.pings(str(address.address.ip), ANSWER_TIMEOUT_S) for address in spec.addresses)
            return liveness.answered(self.host, spec, ANSWER_TIMEOUT_S)
        except (ProbeError, OSError):
            return False

    def gap(self) -> float:
        """Give the longest time without an answer since this was asked last, in seconds, once it answers again."""
        until = self.host.now()
        while self.answered_at < until and self.host.now() < until + TAKE_LIMIT_S:
            self.host.sleep(EVERY_S)
        if self.answered_at < until:
            raise NvkeepError(f"{self.service} does not answer since it was moved; nvkeep status {self.service}")
        with self.lock:
            longest, self.longest = self.longest, 0.0
        return longest


def rehearse(host: Host, cluster: Cluster, service: str, *, to: str, back: bool, say: Callable[[str], None]) -> Rehearsal:
    """Move it, and back; record how long it was away each time. Raises NvkeepError when it did not move, or not back."""
    client = Client(host, cluster, service)
    client.start()
    try:
        moved = Switchover(host, cluster, service, to).run()
        if not moved.to:
            raise NvkeepError(f"{service}: {moved.why}; nvkeep status {service}")
        away = client.gap()
        say(f"{service}: {moved.to} serves it; away for {away:.2f} s")
        home = _back(host, cluster, service, moved.to, client) if back else None
        if home is not None:
            say(f"{service}: {host.name} serves it again; away for {home:.2f} s")
    finally:
        client.over.set()
    rehearsal = Rehearsal(host.wall(), moved.to, away, home, configured(cluster, service))
    record(host, service, rehearsal)
    return rehearsal


def _back(host: Host, cluster: Cluster, service: str, name: str, client: Client) -> float:
    """Order the way back, on the host that has it now."""
    within = DRAIN_LIMIT_S + 4 * cluster.timing.step + TAKE_LIMIT_S + RETURN_LIMIT_S
    peers = Peers(host, cluster, service)
    for peer in peers.only(name) if name in peers.names else peers:
        done = peer.run(("nvkeep", "move", service, "--to", host.name, "--here"), within)
        if done.code:
            raise NvkeepError(f"{service}: it stays on {peer.name}: {done.err.strip()}; nvkeep move {service} --to {host.name}")
    return client.gap()
