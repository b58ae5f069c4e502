"""Writes the page of the cluster: what every host says, and the history of this one."""

from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.state import history
from nvkeep.status.cluster import look
from nvkeep.status.page import page


def write(host: Host, cluster: Cluster, file: str) -> None:
    """Ask every host, and replace the file as a whole. Raises OSError."""
    seen = look(host, cluster, cluster.services_of(host.name))
    host.write(file, page(cluster.cluster, seen.services, seen.lines, history.read(host), host.wall(), host.name))
