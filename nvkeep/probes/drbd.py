"""A DRBD resource as this host sees it: `drbdsetup status RESOURCE --json` (drbd-utils 9)."""

import json
from typing import Any, NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host

UNKNOWN_RESOURCE = 10  # exit code of drbdsetup for a resource that is not up


class Peer(NamedTuple):
    """Another host of the resource: its role is Unknown while it is not connected."""

    name: str
    role: str
    connection: str


class Entry(NamedTuple):
    """The resource here. `io`: the disk is good, has quorum, and nothing is suspended."""

    role: str
    io: bool
    disk: str
    peers: tuple[Peer, ...]


def read(host: Host, resource: str) -> Entry:
    """Ask DRBD. Raises ProbeError, also when the resource is not up."""
    argv = ("drbdsetup", "status", resource, "--json")
    try:
        done = host.run(argv, 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done.code == UNKNOWN_RESOURCE:
        raise ProbeError(f"DRBD resource {resource} is not up here; drbdadm up {resource}")
    if done.code:
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {done.err.strip()}")
    return parse(done.out)


def parse(text: str) -> Entry:
    """Parse the JSON of one resource. Raises ProbeError."""
    try:
        (found,) = json.loads(text)
        return _entry(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeError(f"drbdsetup status printed something else: {error}") from error


def _entry(found: dict[str, Any]) -> Entry:
    disks = [str(device["disk-state"]) for device in found["devices"]]
    quorum = all(device.get("quorum", True) for device in found["devices"])
    peers = tuple(Peer(str(one["name"]), str(one["peer-role"]), str(one["connection-state"])) for one in found["connections"])
    good = bool(disks) and set(disks) == {"UpToDate"} and quorum and not found.get("suspended", False)
    return Entry(str(found["role"]), good, ", ".join(sorted(set(disks))), peers)
