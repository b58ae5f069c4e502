"""The last rehearsal of a service, as this host has recorded it. It outlives a boot: it is evidence."""

import json
from contextlib import suppress
from typing import NamedTuple

from nvkeep.host import Host, load
from nvkeep.model.consistency import digest
from nvkeep.model.spec import Cluster
from nvkeep.state.files import VAR, written


class Rehearsal(NamedTuple):
    """When it was (seconds since 1970), to which host, how long the service was away on each way, and by what configuration."""

    at: float
    to: str
    away: float
    back: float | None
    configuration: str

    @property
    def longest(self) -> float:
        """The longer of the two ways, in seconds."""
        return max(self.away, self.back or 0.0)


def configured(cluster: Cluster, service: str) -> str:
    """Name the configuration that a rehearsal is evidence for: of the service and of its times."""
    return digest(json.dumps([cluster.services[service].plain(), cluster.timing.plain()], sort_keys=True))


def record(host: Host, service: str, rehearsal: Rehearsal) -> None:
    """Record it."""
    written(host, _path(service), json.dumps(rehearsal._asdict()))


def read(host: Host, service: str) -> Rehearsal | None:
    """Read it; None where there is none, or none that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = load(host.read(_path(service)))
        back = None if kept["back"] is None else float(kept["back"])
        return Rehearsal(float(kept["at"]), str(kept["to"]), float(kept["away"]), back, str(kept["configuration"]))
    return None


def _path(service: str) -> str:
    return f"{VAR}/rehearsed/{service}"
