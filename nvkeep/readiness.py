"""What a host lacks before it may take a service."""

from typing import NamedTuple

from nvkeep.host import Host
from nvkeep.model.spec import Cluster


class Unmet(NamedTuple):
    """A precondition that is not met: its short subject, why in plain words, and the command to type."""

    what: str
    why: str
    mend: str


def unmet(host: Host, cluster: Cluster, service: str) -> list[Unmet]:  # noqa: ARG001 - a stub; the probe takes its place
    """Name what this host lacks for a service."""
    return []
