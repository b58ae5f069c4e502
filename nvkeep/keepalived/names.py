"""Names and places that keepalived and nvkeep agree on."""

from nvkeep.model.finding import Finding, FindingCode
from nvkeep.model.spec import Cluster
from nvkeep.state.files import RUN

FIFO = f"{RUN}/vrrp.fifo"
DIRECTORY = "/etc/keepalived"
CONF = f"{DIRECTORY}/keepalived.conf"  # the administrator's
PART = f"{DIRECTORY}/nvkeep.conf"  # ours, included by it
INCLUDE = f"include {PART}"
FIX = "nvkeep keepalived --install"
UNIT = "keepalived.service"
PRIVATE = "/run/keepalived-dump"  # made by our drop-in for keepalived.service: only root may write there
PARENT_PID, CHILD_PID = "/run/keepalived.pid", "/run/vrrp.pid"


def instances(cluster: Cluster, service: str, host: str) -> tuple[str, ...]:
    """Name the VRRP instances of a service on a host: one a heartbeat network."""
    return tuple(f"{service}@{beat.interface}" for beat in cluster.hosts[host].heartbeats)


def every_instance(cluster: Cluster, host: str) -> tuple[str, ...]:
    """Name the VRRP instances of all services on a host."""
    return tuple(name for service in cluster.services_of(host) for name in instances(cluster, service, host))


def service_of(instance: str) -> str:
    """Name the service that an instance belongs to."""
    return instance.partition("@")[0]


def finding(why: str, fix: str = "", code: FindingCode = FindingCode.OTHER) -> Finding:
    """Make a finding about keepalived on this host."""
    return Finding("KEEPALIVED", why, fix, code)
