"""What the agent hears of keepalived: the lines of its FIFO, its end, and that it does not hear any more itself."""

from collections.abc import Callable
from contextlib import suppress

from nvkeep import keepalived, log
from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.host.events import Events, Fifo
from nvkeep.keepalived import CHILD_PID, FIFO, binding
from nvkeep.keepalived.install.checks import interfaces
from nvkeep.model.spec import Cluster
from nvkeep.probes import fifo


class Hearing:
    """Tells of what it hears: a line to `heard`, anything else by waking all; `say` logs what lasts."""

    def __init__(
        self,
        host: Host,
        events: Events,
        heard: Callable[[str], None],
        wake_all: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.host, self.events, self.wake_all, self.say = host, events, wake_all, say
        self.keepalived: int | None = None
        self.gone: int | None = None
        self.told, self.hears = heard, False
        self.listener = Fifo(events, FIFO, self._heard)

    def tick(self, cluster: Cluster | None) -> None:
        """Look once a second at what no event source reports."""
        self._watch_end()
        if cluster and self.host.name in cluster.hosts:
            self._hear_again(cluster)
        self.listen()

    def listen(self) -> None:
        """Hold the FIFO open, also where it was removed. While keepalived cannot be heard, the tick starts the passes."""
        try:
            self.listener.hold()
            deaf = "" if self.listener.former else fifo.deaf(self.host)
        except OSError as error:
            deaf = f"cannot hear keepalived's events, so roles are polled: {error}"
        if deaf:
            keepalived.heard(self.host, deaf=True)
            self.say(deaf)
            self.wake_all()
        elif not self.hears:
            keepalived.heard(self.host)
        self.hears = not deaf

    def _heard(self, line: str) -> None:
        keepalived.heard(self.host)
        self.told(line)

    def _watch_end(self) -> None:
        """Watch keepalived's vrrp process: its start is heard by the FIFO, its death only by this."""
        try:
            pid = int(self.host.read(CHILD_PID))
        except (OSError, ValueError):
            return
        if pid not in (self.keepalived, self.gone) and self.events.on_end(pid, self._ended):
            self.keepalived = pid

    def _hear_again(self, cluster: Cluster) -> None:
        """Reload keepalived once an interface under it was made anew, and has its address again."""
        if not binding.known(self.host):
            binding.bind(self.host, cluster)
        names = binding.anew(self.host, cluster)
        if names and not any(interfaces(self.host, cluster)):
            with suppress(NvkeepError):
                done = self.host.run(binding.RELOAD, 10.0)
                log.note(f"{', '.join(names)}: made anew under keepalived, which is reloaded to hear on it: {done.code}", 30)
                binding.bind(self.host, cluster)

    def _ended(self) -> None:
        log.note(f"keepalived (pid {self.keepalived}) has ended")
        self.keepalived, self.gone = None, self.keepalived  # its pid file stays for a while, and its end is notified only once
        self.wake_all()
