"""What is to be on every host, and where it waits until all hosts agree."""

from contextlib import AbstractContextManager
from hashlib import sha256

from nvkeep import config
from nvkeep.errors import NotHere
from nvkeep.host import Host
from nvkeep.host.files import BYTES
from nvkeep.model.frozen import frozen
from nvkeep.model.spec import Cluster
from nvkeep.state import files

TARGET = config.DEFAULT_FILE
DIRECTORY = TARGET.rpartition("/")[0]
STAGED = f"{DIRECTORY}/.staged"
FILE = f"{STAGED}/cluster.yaml"


@frozen
class Order:
    """A cluster.yaml, and whether keepalived starts at boot (None: on a host that is new, yes; elsewhere as it is)."""

    cluster: Cluster
    text: str
    at_boot: bool | None = None

    @property
    def digest(self) -> str:
        """Name this text, so that no host takes another one for it."""
        return _digest(self.text)

    @property
    def members(self) -> tuple[str, ...]:
        """Name the hosts that may run a service: nothing is set up on others."""
        return tuple(name for name in self.cluster.hosts if self.cluster.services_of(name))


def read(host: Host, path: str, at_boot: bool | None = None) -> Order:
    """Read a cluster.yaml as an order. Raises ConfigError, UnsafeFile, OSError."""
    return Order(config.load(path), host.read(path), at_boot)


def staged(host: Host, digest: str, at_boot: bool | None) -> Order:
    """Read the order that waits here. Raises NotHere when another one does."""
    known = read(host, FILE, at_boot) if host.exists(FILE) else None
    if known is None or known.digest != digest:
        raise NotHere(f"{FILE} is not the file that was sent to {host.name}: another setup is under way; try again after it")
    return known


def stage(host: Host, order: Order) -> None:
    """Let an order wait here; only root may look at what waits. Raises OSError."""
    host.run(("install", "-d", "-m", "700", "--", STAGED), 10.0)
    host.write(FILE, order.text)


def clear(host: Host, digest: str = "") -> None:
    """Leave no trace of an order, or of any; the record of a setup that was killed stays, and the directory with it."""
    if not digest or digest == _waiting(host):
        host.remove(FILE)
    host.run(("rmdir", "--", STAGED), 10.0)


def _waiting(host: Host) -> str:
    """Name the order that waits here, whoever sent it; empty when none does. Raises OSError."""
    return _digest(host.read(FILE)) if host.exists(FILE) else ""


def _digest(text: str) -> str:
    return sha256(text.encode(errors=BYTES)).hexdigest()


def alone(host: Host, name: str, patience: float) -> AbstractContextManager[None]:
    """Keep other setups away from this host. Raises NotHere when one does not end; nothing was changed then."""

    def refusal() -> NotHere:
        pid = host.read(f"{files.RUN}/lock/{name}").strip() or "unknown"  # it may have ended by now: typed again, it works
        return NotHere(f"another nvkeep setup runs on {host.name} (pid {pid}); nothing was changed; wait for it: ps -fp {pid}")

    return files.alone(host, name, patience, refusal)
