"""Whether keepalived still hears on its heartbeats: its sockets belong to an interface by number, not by name.

An interface that is deleted and made again (netplan apply, nmcli connection up) has another number: keepalived goes on
saying BACKUP, or MASTER, and neither hears nor is heard. A reload binds it anew; `dynamic_interfaces` does not help (2.2.7).
"""

import json
from collections.abc import Mapping

from nvkeep.host import Host, load
from nvkeep.keepalived.names import finding
from nvkeep.keepalived.roles import running
from nvkeep.model.finding import Finding
from nvkeep.model.spec import Cluster
from nvkeep.state.files import RUN, written

RECORD = f"{RUN}/heartbeats"  # which keepalived, and the number of each interface when it bound its sockets
RELOAD = ("systemctl", "reload", "--no-block", "keepalived")


def deaf(host: Host, cluster: Cluster) -> Finding | None:
    """Name the interfaces that were made anew under the keepalived that runs; None when it hears, or does not run."""
    names = anew(host, cluster)
    if not names:
        return None
    return finding(f"keepalived has not heard on {', '.join(names)} since that was made anew", "systemctl reload keepalived")


def anew(host: Host, cluster: Cluster) -> list[str]:
    """List the interfaces of heartbeats that are there, and have another number than keepalived knows."""
    bound = _bound(host)
    return [name for name, number in numbers(host, cluster).items() if bound.get(name, number) != number]


def bind(host: Host, cluster: Cluster) -> None:
    """Record that keepalived has bound its sockets now."""
    if ident := _ident(host):
        written(host, RECORD, json.dumps({"keepalived": ident, "numbers": numbers(host, cluster)}))


def known(host: Host) -> bool:
    """Return whether there is a record of the keepalived that runs."""
    return bool(_bound(host)) or not _ident(host)


def numbers(host: Host, cluster: Cluster) -> dict[str, int]:
    """Give the number of each interface of this host's heartbeats that is there."""
    there = {}
    for beat in cluster.hosts[host.name].heartbeats:
        try:
            there[beat.interface] = int(host.read(f"/sys/class/net/{beat.interface}/ifindex"))
        except (OSError, ValueError):
            continue
    return there


def _bound(host: Host) -> Mapping[str, int]:
    try:
        record = load(host.read(RECORD))
        same = record["keepalived"] == _ident(host)
        return {str(name): int(number) for name, number in record["numbers"].items()} if same else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _ident(host: Host) -> str:
    try:
        return running(host).ident
    except (OSError, ValueError, LookupError):
        return ""
