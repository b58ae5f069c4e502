"""Compare with the other hosts what has to be the same on all of them, part by part, so that what differs has a name.

The agent compares in a thread of its own (agent/comparing.py) and records the outcome in /run/nvkeep/agreement;
`nvkeep status` compares again. A difference is reported, and nothing moves back by itself
meanwhile; it never keeps a host from taking over. A host that cannot be reached is not compared: what differed goes on to.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from nvkeep import __version__, keepalived
from nvkeep.errors import NvkeepError, Unreachable
from nvkeep.host import Host, last, load
from nvkeep.host.ssh import Peer, json_of
from nvkeep.keepalived.version import here
from nvkeep.model.consistency import (
    AS_GENERATED,
    CODE,
    MISSING,
    UNREADABLE,
    Compared,
    Difference,
    Parts,
    comparable,
    compare,
    digest,
    shared,
)
from nvkeep.model.spec import Cluster
from nvkeep.probes.tool import Tool
from nvkeep.reconcilers import resources, volumes
from nvkeep.state.files import RUN, written

RECORD = f"{RUN}/agreement"
ASKED = f"{RUN}/asked"
ANSWERED = f"{RUN}/answered"
COMMAND = ("nvkeep", "agreement", "--json")
ALONE = "--no-compare"  # whoever is asked with it need not compare because of the question
UNKNOWN_OPTION = 2  # exit code
LONGEST_S = 6 * 3600.0  # between two comparisons, where nothing has changed that a host sees by itself
LATE_S = 600.0  # beyond that
READ_TIMEOUT_S = 5.0  # for a file of `agree:`
ANSWER_TIMEOUT_S = 10.0  # for another host to answer


def parts(host: Host, cluster: Cluster) -> Parts:
    """Look at everything that has to be the same on every host. Changes nothing."""
    tools = {tool.version: tool for service in cluster.services_of(host.name) for tool in _tools(host, cluster, service)}
    return own(host, cluster) | {" ".join(version): tool.printed(host) for version, tool in tools.items()}


def own(host: Host, cluster: Cluster) -> Parts:
    """Look at those parts that cost next to nothing: not at the programs of the backends. Changes nothing."""
    compared = {"cluster.yaml": digest(comparable(cluster))}
    compared |= {"nvkeep": __version__, "keepalived": _keepalived(host)} | _code()
    compared["keepalived.conf"] = str(keepalived.drifted(host, cluster) or AS_GENERATED)
    mine = cluster.services_of(host.name)
    return compared | {path: _file(host, path) for service in mine for path in cluster.services[service].agree}


def _code() -> Parts:
    """Name the code that runs, where it is installed: by the digest of the code and of its libraries."""
    directory = Path(__file__).resolve().parents[2].name
    return {CODE: directory} if directory.startswith("code-") else {}


def _tools(host: Host, cluster: Cluster, service: str) -> Iterator[Tool]:
    """Name the programs that the volumes of a service need on this host."""
    for volume in volumes(resources(cluster, service, host.name)):
        yield from volume.kind.tools_of(host, volume.spec)


def _keepalived(host: Host) -> str:
    """Give major and minor: patches of one minor version go together."""
    try:
        version = here(host)
    except NvkeepError as error:
        return f"{UNREADABLE}: {error}"
    return f"{version.major}.{version.minor}"


def _file(host: Host, path: str) -> str:
    """Read it by a command, which can be given up: it may lie on a server that does not answer, or have no end."""
    try:
        done = host.run(("cat", "--", path), READ_TIMEOUT_S)
    except NvkeepError as error:
        return f"{UNREADABLE}: {error}"
    if done.code:
        return MISSING if "No such file" in done.err else f"{UNREADABLE}: {last(done.err)}"
    return digest(done.out)


# --- comparing --------------------------------------------------------------------------------------------------------


def renew(host: Host, cluster: Cluster, *, alone: bool = False) -> dict[str, Compared]:
    """Compare this host with every host it shares a service with, and record the outcome.

    They compare themselves because of it, unless it is for this host alone.
    """
    before, mine = read(host), parts(host, cluster)
    names = [name for name in cluster.hosts if name != host.name and shared(cluster, host.name, name)]
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        ask = partial(_asked, host, cluster, mine, (*COMMAND, ALONE) if alone else COMMAND)
        compared = pool.map(lambda name: _compared(host, ask, name, before.get(name, Compared())), names)
        outcome = dict(zip(names, compared, strict=True))
    plain = {name: asdict(peer) for name, peer in outcome.items()}
    written(host, RECORD, json.dumps({"boot": host.boot_id(), "peers": plain}))
    return outcome


def _compared(host: Host, ask: Callable[[str], tuple[Difference, ...]], name: str, before: Compared) -> Compared:
    try:
        differs = ask(name)
    except Unreachable as error:
        return Compared(before.at, before.differs, str(error))
    return Compared(host.now(), differs)


def _asked(host: Host, cluster: Cluster, mine: Parts, command: Sequence[str], name: str) -> tuple[Difference, ...]:
    done = Peer(host, name).run(command, ANSWER_TIMEOUT_S)
    if done.code == UNKNOWN_OPTION and ALONE in command:  # an nvkeep that is older than the option
        return _asked(host, cluster, mine, COMMAND, name)
    try:
        theirs = {str(part): str(value) for part, value in json_of(name, done)["parts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        message = last(done.err)
        text = f"cannot compare with {name}: `{' '.join(COMMAND)}` ended there with {done.code}: {message}"
        return (Difference(shared(cluster, host.name, name), f"{text}; ssh {name} nvkeep agreement"),)
    return compare(cluster, host.name, mine, name, theirs)


def answer(host: Host, cluster: Cluster, *, alone: bool = False) -> Parts:
    """Give the parts to another host, and note that it has asked because something may have changed there."""
    for path in (ANSWERED,) if alone else (ASKED, ANSWERED):
        written(host, path, json.dumps({"boot": host.boot_id(), "at": host.now()}))
    return parts(host, cluster)


def noted(host: Host, path: str) -> float:
    """Return when another host last asked (ASKED) or was answered, in seconds since boot; 0: never, or it cannot be read."""
    try:
        note = load(host.read(path))
        at = float(note["at"])
        return at if note["boot"] == host.boot_id() and at <= host.now() else 0.0
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 0.0


# --- the record -------------------------------------------------------------------------------------------------------


def read(host: Host) -> dict[str, Compared]:
    """Read the outcome of the last comparison in this boot; empty when there is none."""
    try:
        record = load(host.read(RECORD))
        return {str(name): _read(peer) for name, peer in record["peers"].items()} if record["boot"] == host.boot_id() else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _read(peer: dict[str, Any]) -> Compared:
    differs = tuple(Difference(tuple(map(str, row["services"])), str(row["text"])) for row in peer["differs"])
    return Compared(float(peer["at"]), differs, str(peer["unreached"]))


def disagreements(host: Host, service: str | None = None) -> list[str]:
    """Name what differed between this host and others when it was last compared, for one service or for any."""
    every = [difference for compared in read(host).values() for difference in compared.differs]
    return [difference.text for difference in every if service is None or service in difference.services]


def uncompared(host: Host, cluster: Cluster, service: str) -> list[str]:
    """Name the hosts of a service that could not be compared, and since when."""
    others = {name: peer for name, peer in read(host).items() if name in cluster.services[service].hosts}
    late = {name: peer for name, peer in others.items() if peer.unreached or host.now() - peer.at > LONGEST_S + LATE_S}
    return [not_compared(host, name, peer) for name, peer in late.items()]


def not_compared(host: Host, name: str, peer: Compared) -> str:
    """Say since when a host was not compared, and why."""
    since = f"for {host.now() - peer.at:.0f} s" if peer.at else "in this boot"
    return f"not compared with {name} {since}{f': {peer.unreached}' if peer.unreached else '; systemctl status nvkeep'}"
