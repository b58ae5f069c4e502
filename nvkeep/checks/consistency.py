"""Compare with the other hosts what has to be the same on all of them, part by part, so that what differs has a name.

The agent compares in a thread of its own, once a minute, while hosts differ every ten seconds, and records the outcome in
/run/nvkeep/agreement; `nvkeep status --all` compares again. A difference is reported, and nothing moves back by itself
meanwhile; it never keeps a host from taking over. A host that cannot be reached is not compared: what differed goes on to.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from nvkeep import __version__, keepalived, log
from nvkeep.checks.readiness import programs, version
from nvkeep.errors import NvkeepError, Unreachable
from nvkeep.host import Host
from nvkeep.host.ssh import Peer, json_of
from nvkeep.keepalived.version import here
from nvkeep.model.consistency import AS_GENERATED, MISSING, UNREADABLE, Difference, Parts, compare, digest, shared
from nvkeep.model.spec import Cluster
from nvkeep.state.files import RUN, written

RECORD = f"{RUN}/agreement"
COMMAND = ("nvkeep", "agreement", "--json")
EVERY = 60.0  # seconds between two comparisons by the agent
SOON = 10.0  # seconds until the first, which has better things to do, and while hosts differ: what was fixed is seen soon
ASKING = 20.0  # seconds another host is given to answer


@dataclass(frozen=True)
class Compared:
    """How the comparison with one host went. `at`: seconds since boot, 0 never; `unreached`: why the last try failed."""

    at: float = 0.0
    differs: tuple[Difference, ...] = ()
    unreached: str = ""


def parts(host: Host, cluster: Cluster) -> Parts:
    """Look at everything that has to be the same on every host. Changes nothing."""
    found = {"cluster.yaml": digest(json.dumps(cluster.model_dump(mode="json", serialize_as_any=True), sort_keys=True))}
    found |= {"nvkeep": __version__, "keepalived": _keepalived(host)}
    found["keepalived.conf"] = str(keepalived.drifted(host, cluster) or AS_GENERATED)
    mine = cluster.services_of(host.name)
    found |= {" ".join(tool.version): version(host, tool) for service in mine for tool in programs(host, cluster, service)}
    return found | {path: _file(host, path) for service in mine for path in cluster.services[service].agree}


def _keepalived(host: Host) -> str:
    """Give major and minor: patches of one minor version go together."""
    try:
        found = here(host)
    except NvkeepError as error:
        return f"{UNREADABLE}: {error}"
    return f"{found.major}.{found.minor}"


def _file(host: Host, path: str) -> str:
    try:
        return digest(host.read(path))
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"{UNREADABLE}: {error.strerror}"


# --- comparing --------------------------------------------------------------------------------------------------------


def renew(host: Host, cluster: Cluster) -> dict[str, Compared]:
    """Compare this host with every host it shares a service with, and record the outcome."""
    before, mine = read(host), parts(host, cluster)
    names = [name for name in cluster.hosts if name != host.name and shared(cluster, host.name, name)]
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        found = pool.map(lambda name: _compared(host, cluster, mine, name, before.get(name, Compared())), names)
        outcome = dict(zip(names, found, strict=True))
    plain = {name: asdict(one) for name, one in outcome.items()}
    written(host, RECORD, json.dumps({"boot": host.boot_id(), "peers": plain}))
    return outcome


def _compared(host: Host, cluster: Cluster, mine: Parts, name: str, before: Compared) -> Compared:
    try:
        differs = _asked(host, cluster, mine, name)
    except Unreachable as error:
        return Compared(before.at, before.differs, str(error))
    return Compared(host.now(), differs)


def _asked(host: Host, cluster: Cluster, mine: Parts, name: str) -> tuple[Difference, ...]:
    done = Peer(host, name).run(COMMAND, ASKING)
    try:
        theirs = {str(part): str(value) for part, value in json_of(name, done)["parts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        said = (done.err.strip().splitlines() or ["no message"])[-1]
        text = f"{name} does not say what it has: `{' '.join(COMMAND)}` ended with {done.code}: {said}"
        return (Difference(shared(cluster, host.name, name), f"{text}; ssh {name} nvkeep agreement"),)
    return compare(cluster, host.name, mine, name, theirs)


def keep_comparing(host: Host, cluster: Callable[[], Cluster | None]) -> None:
    """Compare for ever; for a thread of its own, so that no pass ever waits for another host."""
    while True:
        host.sleep(SOON if disagreements(host) or not host.exists(RECORD) else EVERY)
        try:
            if found := cluster():
                _tell(read(host), renew(host, found))
        except Exception as error:  # noqa: BLE001 - a comparison that fails must not end the thread
            log.note(f"the hosts cannot be compared: {type(error).__name__}: {error}", 40)


def _tell(before: dict[str, Compared], now: dict[str, Compared]) -> None:
    """Log what is new."""
    known = {one for compared in before.values() for one in compared.differs}
    for one in dict.fromkeys(one for compared in now.values() for one in compared.differs):
        if one not in known:
            log.note(one.text, 30)


# --- the record -------------------------------------------------------------------------------------------------------


def read(host: Host) -> dict[str, Compared]:
    """Read the outcome of the last comparison in this boot; empty when there is none."""
    try:
        found = json.loads(host.read(RECORD))
        return {str(name): _read(one) for name, one in found["peers"].items()} if found["boot"] == host.boot_id() else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _read(found: dict[str, Any]) -> Compared:
    differs = tuple(Difference(tuple(map(str, one["services"])), str(one["text"])) for one in found["differs"])
    return Compared(float(found["at"]), differs, str(found["unreached"]))


def disagreements(host: Host, service: str | None = None) -> list[str]:
    """Name what differed between this host and others when it was last compared, for one service or for any."""
    every = [one for compared in read(host).values() for one in compared.differs]
    return [one.text for one in every if service is None or service in one.services]


def uncompared(host: Host, cluster: Cluster, service: str) -> list[str]:
    """Name the hosts of a service that could not be compared, and since when."""
    others = {name: one for name, one in read(host).items() if name in cluster.services[service].hosts}
    late = {name: one for name, one in others.items() if one.unreached or host.now() - one.at > 3 * EVERY}
    return [not_compared(host, name, one) for name, one in late.items()]


def not_compared(host: Host, name: str, one: Compared) -> str:
    """Say since when a host was not compared, and why."""
    since = f"for {host.now() - one.at:.0f} s" if one.at else "in this boot"
    return f"not compared with {name} {since}{f': {one.unreached}' if one.unreached else '; systemctl status nvkeep'}"
