"""A DRBD resource as this host sees it: `drbdsetup events2 --now RESOURCE`, which 8.4 and 9 both have (--json is 9's alone)."""

from typing import NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, lines

END = "exists -"
ROLES = ("Primary", "Secondary", "Unknown")


class Peer(NamedTuple):
    """Another host of the resource: its role is Unknown while it is not connected. DRBD 8.4 calls it "peer", or nothing."""

    name: str
    role: str
    connection: str
    disk: str = "?"


class Entry(NamedTuple):
    """The resource here. `io`: the disk is good, has quorum, and nothing is suspended."""

    role: str
    io: bool
    disk: str
    peers: tuple[Peer, ...]


def read(host: Host, resource: str) -> Entry:
    """Ask DRBD. Raises ProbeError, also when the resource is not up."""
    argv = ("drbdsetup", "events2", "--now", resource)
    try:
        done = host.run(argv, 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done.code:
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {done.err.strip()}", f"drbdadm up {resource}")
    return parse(done.out, resource)


def parse(text: str, resource: str) -> Entry:
    """Parse the `exists` lines of a whole list. Raises ProbeError when the resource is not among them."""
    listed = lines(text)
    if listed[-1:] != [END]:
        raise ProbeError(f"drbdsetup events2 did not print all: it ends with {listed[-1:]}")
    events = [_words(line) for line in listed[:-1] if line.startswith("exists ")]
    events = [(kind, words) for kind, words in events if words.get("name") == resource]
    role = next((words.get("role") for kind, words in events if kind == "resource"), None)
    if role is None:
        raise ProbeError(f"DRBD resource {resource} is not up here", f"drbdadm up {resource}")
    if role not in ROLES:
        raise ProbeError(f"drbdsetup events2 names a role that is none of DRBD: {role!r}")
    devices = [words for kind, words in events if kind == "device"]
    suspended = any(kind == "resource" and words.get("suspended", "no") != "no" for kind, words in events)
    good = all(words.get("disk") == "UpToDate" and words.get("quorum", "yes") == "yes" for words in devices)
    copies = {words.get("peer-node-id"): words.get("peer-disk", "?") for kind, words in events if kind == "peer-device"}
    peers = tuple(_peer(words, copies) for kind, words in events if kind == "connection")
    disks = ", ".join(sorted({words.get("disk", "?") for words in devices}))
    return Entry(role, bool(devices) and good and not suspended, disks, peers)


def _words(line: str) -> tuple[str, dict[str, str]]:
    _, kind, *pairs = line.split(" ")
    return kind, dict(pair.split(":", 1) for pair in pairs if ":" in pair)


def _peer(words: dict[str, str], disks: dict[str | None, str]) -> Peer:
    if words.get("role", "Unknown") not in ROLES:
        raise ProbeError(f"drbdsetup events2 names a role that is none of DRBD: {words['role']!r}")
    disk = disks.get(words.get("peer-node-id"), "?")
    return Peer(words.get("conn-name", "?"), words.get("role", "Unknown"), words.get("connection", "?"), disk)
