"""Reservation keys, by which NVMe and SCSI storage names a holder: made of names, so that every host knows them all. Pure."""

from collections.abc import Iterable
from hashlib import sha256


def key_of(cluster: str, host: str) -> int:
    """Derive a host's key (64 bits, never 0) from the names of cluster and host."""
    return int.from_bytes(sha256(f"{cluster}/{host}".encode()).digest()[:8], "big") or 1


def owner_of(cluster: str, hosts: Iterable[str], key: int) -> str:
    """Name the host whose key this is; the key itself when it is none of these hosts'."""
    return next((host for host in hosts if key_of(cluster, host) == key), f"key {key:#x}")
