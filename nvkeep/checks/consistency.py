"""Compare with the other hosts what has to be the same on all of them, part by part, so that what differs has a name.

The agent compares in a thread of its own, once a minute, while hosts differ every ten seconds, and records the outcome in
/run/nvkeep/agreement; `nvkeep status --all` compares again. A difference is reported, and nothing moves back by itself
meanwhile; it never keeps a host from taking over. A host that cannot be reached is not compared: what differed goes on to.
"""

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nvkeep import __version__, keepalived, log
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
    compare,
    digest,
    shared,
)
from nvkeep.model.spec import Cluster
from nvkeep.probes.tool import Tool
from nvkeep.reconcilers import resources, volumes
from nvkeep.state.files import RUN, written

RECORD = f"{RUN}/agreement"
COMMAND = ("nvkeep", "agreement", "--json")
INTERVAL_S = 60.0  # between two comparisons by the agent
FIRST_INTERVAL_S = 10.0  # until the first, which has better things to do, and while hosts differ: what was fixed is seen soon
READ_TIMEOUT_S = 5.0  # for a file of `agree:`
ANSWER_TIMEOUT_S = 20.0  # for another host to answer


def parts(host: Host, cluster: Cluster) -> Parts:
    """Look at everything that has to be the same on every host. Changes nothing."""
    compared = {"cluster.yaml": digest(json.dumps(cluster.plain(), sort_keys=True))}
    compared |= {"nvkeep": __version__, "keepalived": _keepalived(host)} | _code()
    compared["keepalived.conf"] = str(keepalived.drifted(host, cluster) or AS_GENERATED)
    mine = cluster.services_of(host.name)
    compared |= {" ".join(tool.version): tool.printed(host) for service in mine for tool in _tools(host, cluster, service)}
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


def renew(host: Host, cluster: Cluster) -> dict[str, Compared]:
    """Compare this host with every host it shares a service with, and record the outcome."""
    before, mine = read(host), parts(host, cluster)
    names = [name for name in cluster.hosts if name != host.name and shared(cluster, host.name, name)]
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        compared = pool.map(lambda name: _compared(host, cluster, mine, name, before.get(name, Compared())), names)
        outcome = dict(zip(names, compared, strict=True))
    plain = {name: asdict(peer) for name, peer in outcome.items()}
    written(host, RECORD, json.dumps({"boot": host.boot_id(), "peers": plain}))
    return outcome


def _compared(host: Host, cluster: Cluster, mine: Parts, name: str, before: Compared) -> Compared:
    try:
        differs = _asked(host, cluster, mine, name)
    except Unreachable as error:
        return Compared(before.at, before.differs, str(error))
    return Compared(host.now(), differs)


def _asked(host: Host, cluster: Cluster, mine: Parts, name: str) -> tuple[Difference, ...]:
    done = Peer(host, name).run(COMMAND, ANSWER_TIMEOUT_S)
    try:
        theirs = {str(part): str(value) for part, value in json_of(name, done)["parts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        message = last(done.err)
        text = f"cannot compare with {name}: `{' '.join(COMMAND)}` ended there with {done.code}: {message}"
        return (Difference(shared(cluster, host.name, name), f"{text}; ssh {name} nvkeep agreement"),)
    return compare(cluster, host.name, mine, name, theirs)


def keep_comparing(host: Host, cluster: Callable[[], Cluster | None]) -> None:
    """Compare for ever; for a thread of its own, so that no pass ever waits for another host."""
    while True:
        host.sleep(FIRST_INTERVAL_S if disagreements(host) or not host.exists(RECORD) else INTERVAL_S)
        try:
            if known_cluster := cluster():
                _tell(read(host), renew(host, known_cluster))
        except Exception as error:  # noqa: BLE001 - a comparison that fails must not end the thread
            log.note(f"cannot compare the hosts: {type(error).__name__}: {error}", logging.ERROR)


def _tell(before: dict[str, Compared], now: dict[str, Compared]) -> None:
    """Log what is new."""
    known = {difference for peer in before.values() for difference in peer.differs}
    for difference in dict.fromkeys(difference for peer in now.values() for difference in peer.differs):
        if difference not in known:
            log.note(difference.text, logging.WARNING)


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
    late = {name: peer for name, peer in others.items() if peer.unreached or host.now() - peer.at > 3 * INTERVAL_S}
    return [not_compared(host, name, peer) for name, peer in late.items()]


def not_compared(host: Host, name: str, peer: Compared) -> str:
    """Say since when a host was not compared, and why."""
    since = f"for {host.now() - peer.at:.0f} s" if peer.at else "in this boot"
    return f"not compared with {name} {since}{f': {peer.unreached}' if peer.unreached else '; systemctl status nvkeep'}"
