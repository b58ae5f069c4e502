"""The configuration as it was read last, so that a start need not read YAML again: a third of its time.

It counts only for the very bytes of cluster.yaml, and for the very code that has read them; whatever is wrong with it, the file
itself is read. It outlives a boot, after which the first pass has to be fast. Only classes of the model come out of it.
"""

import base64
import io
import os
import pickle
from contextlib import suppress
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path

from nvkeep.host import Host
from nvkeep.host.files import open_to_others, others_can_write
from nvkeep.model import spec
from nvkeep.model.frozen import Frozen
from nvkeep.reconcilers import backends
from nvkeep.state.files import VAR

KEPT = f"{VAR}/cluster.kept"
PLACES = (spec.__file__, backends.__file__)  # a file in each directory of which the classes come
MOST_BYTES = 1 << 20  # sixteen times the largest cluster.yaml; of more than that the file itself is read
VALUES = {kind.__name__: kind for kind in (IPv4Address, IPv4Interface, IPv6Address, IPv6Interface)}


def keep(host: Host, data: bytes, cluster: spec.Cluster) -> None:
    """Keep what the bytes of a cluster.yaml say; where that fails, the file is read each time."""
    packed = base64.b64encode(pickle.dumps(cluster)).decode()
    with suppress(OSError):
        host.write(KEPT, f"{_key(data)} {_digest(packed)}\n{packed}\n", durable=True)


def recall(data: bytes) -> spec.Cluster | None:
    """Give what the bytes of a cluster.yaml say, as this code has read them before; None: read them."""
    try:
        with Path(KEPT).open(encoding="ascii") as stream:
            if others_can_write(VAR) or open_to_others(os.fstat(stream.fileno())):
                return None
            key, packed = stream.read(MOST_BYTES).splitlines()
            if key != f"{_key(data)} {_digest(packed)}":
                return None
            cluster = _Reader(io.BytesIO(base64.b64decode(packed))).load()
    except Exception:  # noqa: BLE001 - whatever it is, the file itself is read
        return None
    return cluster if isinstance(cluster, spec.Cluster) else None


def _digest(packed: str) -> str:
    return sha256(packed.encode()).hexdigest()


def _key(data: bytes) -> str:
    """Name the bytes and the code: any change of a file of the model's gives another key."""
    key = sha256(data)
    for place in PLACES:
        for entry in sorted(os.scandir(Path(place).resolve().parent), key=lambda entry: entry.name):
            with suppress(OSError):
                seen = entry.stat()
                key.update(f"{entry.path} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return key.hexdigest()


class _Reader(pickle.Unpickler):
    """Builds the model's own classes and addresses; refuses everything else."""

    def find_class(self, module: str, name: str) -> type:
        """Give a class that may come out of the file."""
        if module == "ipaddress":
            return VALUES[name]
        found = super().find_class(module, name) if module.startswith("nvkeep.") else None
        if isinstance(found, type) and issubclass(found, Frozen):
            return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a configuration")
