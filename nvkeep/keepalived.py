"""keepalived's configuration for one host, and keepalived's own words about roles.

Why each line is as it is: docs/keepalived.md. The order of `script_user` and `vrrp_notify_fifo` matters.
"""

import json
from collections.abc import Iterable

from nvkeep.errors import NotHere, NvkeepError
from nvkeep.host import Host
from nvkeep.model.role import Roles
from nvkeep.model.spec import Cluster
from nvkeep.state import RUN, flag_path

FIFO = f"{RUN}/vrrp.fifo"
CONF = "/etc/keepalived/keepalived.conf"
MEND = f"nvkeep keepalived > {CONF} && systemctl reload keepalived"
PARENT_PID, CHILD_PID = "/run/keepalived.pid", "/run/vrrp.pid"
PATIENCE = 1.0  # seconds; an answer takes about one millisecond
WORDS = {0: "INIT", 1: "BACKUP", 2: "MASTER", 3: "FAULT"}
FIRST, STEP = 200, 10  # priority of the preferred host, and the distance to the next

HEAD = """\
# /etc/keepalived/keepalived.conf - made by `nvkeep keepalived` for host {host}; do not edit, change cluster.yaml.
# keepalived decides the role, and only the role: it has no service address and runs no script.
global_defs {{
    router_id {host}
    enable_script_security
    script_user root
    vrrp_notify_fifo {fifo}
    vrrp_version 3
    vrrp_check_unicast_src
    vrrp_priority -20
    vrrp_no_swap
    max_auto_priority -1
    vrrp_min_garp true
    reload_check_config
}}
"""
TRACK = """
track_file nvkeep_{service} {{
    file {flag}
    weight 0 reverse
}}
"""
INSTANCE = """
vrrp_instance {name} {{
    state BACKUP
    nopreempt
    dont_track_primary
    interface {interface}
    virtual_router_id {router_id}
    priority {priority}
    version 3
    advert_int {advert:g}
    unicast_src_ip {source}
    unicast_fault_no_peer
    unicast_peer {{
{peers}
    }}
    track_file {{
        nvkeep_{service}
    }}
    virtual_ipaddress {{
        {marker} dev lo
    }}
    notify_deleted
}}
"""


def instances(cluster: Cluster, service: str, host: str) -> tuple[str, ...]:
    """Name the VRRP instances of a service on a host: one a heartbeat network."""
    return tuple(f"{service}@{beat.interface}" for beat in cluster.hosts[host].heartbeats)


def service_of(instance: str) -> str:
    """Name the service that an instance belongs to."""
    return instance.partition("@")[0]


def configuration(cluster: Cluster, host: str) -> str:
    """Write keepalived.conf for one host. Raises NotHere for a host that runs no service."""
    mine = cluster.services_of(host)
    if not mine:
        raise NotHere(f"{host} may run no service of this cluster; its hosts are {', '.join(cluster.hosts)}")
    parts = [HEAD.format(host=host, fifo=FIFO)]
    for service in mine:
        parts.append(TRACK.format(service=service, flag=flag_path(service)))
        parts += [_instance(cluster, service, host, index) for index in range(len(cluster.hosts[host].heartbeats))]
    return "".join(parts)


def _instance(cluster: Cluster, service: str, host: str, index: int) -> str:
    beat = cluster.hosts[host].heartbeats[index]
    hosts = cluster.services[service].hosts
    peers = [str(cluster.hosts[other].heartbeats[index].address) for other in hosts if other != host]
    number = cluster.router_id(service)
    return INSTANCE.format(
        name=instances(cluster, service, host)[index],
        interface=beat.interface,
        router_id=number,
        priority=FIRST - STEP * hosts.index(host),
        advert=cluster.timing.advert,
        source=beat.address,
        peers="\n".join(f"        {peer}{_on_link(peer)}" for peer in peers),
        service=service,
        marker=_marker(number, index, beat.address.version),
    )


def _on_link(peer: str) -> str:
    return "" if ":" in peer else " min_ttl 255 max_ttl 255"


def _marker(number: int, index: int, version: int) -> str:
    """Give an address for lo: VRRPv3 wants one, and nobody needs ARP for it. It is the same on every host."""
    return f"127.77.{number}.{index + 1}/32" if version == 4 else f"fd77::{number:x}:{index + 1:x}/128"  # noqa: PLR2004 - IPv4


def ask(host: Host) -> Roles:
    """Ask keepalived for the role of every instance. Raises nothing: no answer is an answer, with the reason.

    SIGJSON makes keepalived write what it knows; the file is renamed into place before it is complete, and the last one stays
    for ever, so it is removed first and read until it parses. The answer is tied to this boot, keepalived's pid and start time.
    """
    try:
        ident, pid = _ident(host), int(host.read(PARENT_PID))
        if host.read(f"/proc/{pid}/comm").strip() != "keepalived":  # the file outlives a kill -9, and numbers are used again
            return Roles(why="keepalived does not run here (its pid is another program's)")
        done = host.run(("keepalived", "--signum=JSON"), 2.0)
        if not done.out.strip():
            return Roles(why="this keepalived cannot be asked (built without JSON)")
        with host.lock(f"{RUN}/lock/.keepalived", 3.0):
            return _dump(host, pid, int(done.out), ident)
    except PermissionError:
        return Roles(why="only root may ask keepalived; run it as root")
    except (OSError, ValueError, LookupError) as error:
        return Roles(why=f"keepalived does not run here ({_said(error)})")
    except NvkeepError as error:
        return Roles(why=str(error))


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _ident(host: Host) -> str:
    pid = int(host.read(CHILD_PID))
    started = host.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19]
    return f"{host.boot_id()}/{pid}/{started}"


def _dump(host: Host, pid: int, number: int, ident: str) -> Roles:
    path = f"{_temporary(host, pid)}/keepalived.json"
    host.remove(path)
    host.signal(pid, number)
    deadline = host.now() + PATIENCE
    while host.now() < deadline:
        host.sleep(0.002)
        try:
            words = parse(host.read(path))
        except (OSError, ValueError):
            continue
        return Roles(words, ident) if ident == _ident(host) else Roles(why="keepalived was restarted while it was asked")
    return Roles(why=f"keepalived (pid {pid}) does not answer within {PATIENCE:g} s")


def _temporary(host: Host, pid: int) -> str:
    """Find keepalived's own TMPDIR: a drop-in may have set it."""
    variables = dict(entry.split("=", 1) for entry in host.read(f"/proc/{pid}/environ").split("\0") if "=" in entry)
    return variables.get("TMPDIR", "/tmp").rstrip("/")  # noqa: S108 - keepalived's own default


def parse(text: str) -> tuple[tuple[str, str], ...]:
    """Read (instance, word) out of keepalived's JSON. Raises ValueError while it is not complete."""
    found = json.loads(text)
    try:
        data: Iterable[dict[str, object]] = [one["data"] for one in found]
        return tuple((str(one["iname"]), WORDS.get(int(str(one["state"])), "UNKNOWN")) for one in data)
    except (TypeError, KeyError) as error:
        raise ValueError(f"keepalived.json has another shape: {error}") from error
