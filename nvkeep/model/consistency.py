"""What differs between two hosts that has to be the same on both, in words with the command that shows it. Pure."""

import json
from hashlib import sha256
from shlex import quote
from typing import Any

from nvkeep.model.frozen import frozen
from nvkeep.model.spec import Cluster

FILE = "/etc/nvkeep/cluster.yaml"
AS_GENERATED, MISSING, UNREADABLE = "as generated", "missing", "cannot be read"
CODE = "nvkeep's code"  # the digest of code and libraries; a host that does not say it is not compared in that
VERSIONS = {"nvkeep": "nvkeep --version", CODE: "readlink /usr/lib/nvkeep/current", "keepalived": "keepalived --version"}

LATER = {"notify": None, "report": None, "mode": "act", "rto": None}  # keys that came later, and their defaults

Parts = dict[str, str]  # a path, a name of VERSIONS or the command that tells a version -> digest, version, or what is wrong


@frozen
class Difference:
    """Something that differs, and the services that it concerns."""

    services: tuple[str, ...]
    text: str


@frozen
class Compared:
    """How the comparison with one host went. `at`: seconds since boot, 0 never; `unreached`: why the last try failed."""

    at: float = 0.0
    differs: tuple[Difference, ...] = ()
    unreached: str = ""


def comparable(cluster: Cluster) -> str:
    """Give what cluster.yaml says, without the keys that a host with the version before does not have, unless they are used.

    Else the upgrade of one host would be a difference between files that are the same.
    """
    record = cluster.plain()
    record["services"] = {name: _older(spec) for name, spec in record["services"].items()}
    return json.dumps(_older(record), sort_keys=True)


def _older(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in LATER or LATER[key] != value}


def digest(text: str) -> str:
    """Make a text comparable without showing it."""
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def shared(cluster: Cluster, host: str, other: str) -> tuple[str, ...]:
    """Name the services that both hosts may run."""
    return tuple(name for name in cluster.services_of(host) if name in cluster.services_of(other))


def compare(cluster: Cluster, me: str, mine: Parts, name: str, theirs: Parts) -> tuple[Difference, ...]:
    """Name what differs between this host and another, as far as both spoke of it."""
    both = shared(cluster, me, name)
    differences = []
    for part in mine.keys() & theirs.keys():
        services = _concerned(cluster, both, part)
        text = _worded(part, me, mine[part], name, theirs[part])
        if services and text:
            differences.append(Difference(services, text))
    return tuple(sorted(differences, key=lambda seen: (seen.services, seen.text)))


def _concerned(cluster: Cluster, services: tuple[str, ...], part: str) -> tuple[str, ...]:
    """Pick the services that a part concerns: a listed file those that list it, anything else all that both may run."""
    return (
        tuple(service for service in services if part in cluster.services[service].agree) if part.startswith("/") else services
    )


def _worded(part: str, me: str, mine: str, name: str, theirs: str) -> str:
    if part == "keepalived.conf":  # each host has its own; that of this host is looked at by its own passes
        wrong = theirs != AS_GENERATED
        return (
            f"keepalived's configuration on {name} is not as generated; ssh {name} nvkeep keepalived --check" if wrong else ""
        )
    if part.startswith("/") or part == "cluster.yaml":
        return _file(part, me, mine, name, theirs)
    if mine == theirs:
        return ""
    command = VERSIONS.get(part, part)
    what = part if part in VERSIONS else command.partition(" ")[0]
    return f"{what} differs: {mine} on {me}, {theirs} on {name}; ssh {name} {command}"


def _file(part: str, me: str, mine: str, name: str, theirs: str) -> str:
    path = FILE if part == "cluster.yaml" else part
    typed = quote(path)
    for host, value in ((me, mine), (name, theirs)):
        if value.startswith(UNREADABLE):
            return f"{path} on {host} {value}; ssh {host} ls -l {typed}"
    if mine == theirs:
        return ""
    if MISSING in (mine, theirs):
        host, other = (me, name) if mine == MISSING else (name, me)
        return f"{path} is missing on {host}, and is there on {other}; ssh {other} cat {typed}"
    return f"{path} differs between {me} and {name}; ssh {name} cat {typed} | diff {typed} -"
