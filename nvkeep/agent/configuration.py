"""cluster.yaml as the agent goes by it, and what follows from another one for the host as a whole."""

import threading
from contextlib import suppress
from pathlib import Path

from nvkeep import config, log
from nvkeep.errors import ConfigError, NvkeepError, UnsafeFile
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.state import host as host_state
from nvkeep.state.lateness import DROP_IN, TIMER

Signature = tuple[int, ...]


class Configuration:
    """The file, read again whenever it is another one; none while it is wrong."""

    def __init__(self, host: Host, path: str) -> None:
        self.host, self.path = host, path
        self.cluster: Cluster | None = None
        self.signature: Signature | None = None

    def current(self) -> Cluster | None:
        """Give the configuration in force."""
        return self.cluster

    def services(self) -> tuple[str, ...]:
        """List what this host may run."""
        return self.cluster.services_of(self.host.name) if self.cluster else ()

    def renewed(self) -> bool:
        """Read the file when it is another one than before; return whether it was, and is right.

        A wrong one lowers every flag and changes nothing else.
        """
        signature = _signature(self.path)
        if signature == self.signature:
            return False
        self.signature = signature
        try:
            self.cluster = config.load(self.path, self.host)
        except (ConfigError, UnsafeFile) as error:
            self.cluster = None
            log.note(f"{error}\nno service of this host may move here until this is fixed: nvkeep check", 40)
            with suppress(OSError):
                host_state.lower_all_flags(self.host)
            return False
        self._adopt(self.cluster)
        return True

    def _adopt(self, cluster: Cluster) -> None:
        """Do what a right file calls for once; lower the flags of services that this host may not run, and say so."""
        host_state.keep_right(self.host, self.path)
        threading.Thread(target=set_timer, args=(self.host, cluster.timing.reconcile), daemon=True).start()
        host_state.mark_failback(self.host, wanted=cluster.asks_back(self.host.name))
        if not self.services():
            log.note(f"{self.host.name} may run no service of {self.path}; its hosts are {', '.join(cluster.hosts)}", 40)
        with suppress(OSError):
            host_state.lower_flags(self.host, keep=self.services())


def _signature(path: str) -> Signature:
    """Give what differs once the file is another one, or others may write it or its directory, or no longer may."""
    try:
        seen, above = Path(path).stat(), Path(path).resolve().parent.stat()
    except OSError:
        return ()
    return (seen.st_ino, seen.st_ctime_ns, seen.st_size, above.st_mode, above.st_uid)


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
