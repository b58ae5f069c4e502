"""Cluster -> keepalived's configuration for one host, in the words that its version knows.

Why each line is as it is, and since when it is known: docs/keepalived.md.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nvkeep.errors import NotHere
from nvkeep.keepalived.names import FIFO, PART, instances
from nvkeep.keepalived.version import OLDEST, Version, refuse
from nvkeep.model.spec import Cluster, priority
from nvkeep.state.service import flag_path

NEVER = Version(99, 0, 0)
FLAGS = flag_path("").rstrip("/")  # the directory of the flags
REVERSE = Version(2, 0, 18)  # `weight 0 reverse`: a flag that is missing, empty or 0 is FAULT; before, a script looks
TRACK_FILE = Version(2, 1, 0)
MARK = " - made by `nvkeep keepalived` for host "

HEAD = f"""\
# {PART}{MARK}{{host}} and keepalived {{version}}; do not edit, change cluster.yaml.
# keepalived decides the role, and only the role: it has no service address.
"""


class Build(NamedTuple):
    """What has to be known of the keepalived of a host."""

    version: Version
    grep: str = "/usr/bin/grep"


class Line(NamedTuple):
    """A line, and the versions that know it: from `since`, before `until`."""

    text: str
    since: Version = OLDEST
    until: Version = NEVER


GLOBALS = (
    Line("global_defs {{"),
    Line("    enable_script_security", until=REVERSE),  # before vrrp_notify_fifo: the other order ends keepalived at a reload
    Line("    script_user root", until=REVERSE),
    Line("    vrrp_notify_fifo {fifo}", until=REVERSE),
    Line("    vrrp_notify_fifo {fifo} root root", since=REVERSE),  # with a user of its own it may stand anywhere
    Line("    vrrp_check_unicast_src", until=TRACK_FILE),
    Line("    vrrp_priority -20"),
    Line("    vrrp_no_swap"),
    Line("    max_auto_priority -1", since=Version(2, 1, 0)),
    Line("    reload_check_config", since=Version(2, 2, 0)),
    Line("}}"),
)
TRACK = (
    Line("vrrp_script nvkeep_{service} {{", until=REVERSE),
    Line('    script "{grep} -qx 1 {flag}"', until=REVERSE),
    Line("    interval 1", until=REVERSE),
    Line("    timeout 1", until=REVERSE),
    Line("    fall 1", until=REVERSE),
    Line("    rise 1", until=REVERSE),
    Line("    init_fail", until=REVERSE),
    Line("vrrp_track_file nvkeep_{service} {{", since=REVERSE, until=TRACK_FILE),
    Line("track_file nvkeep_{service} {{", since=TRACK_FILE),
    Line("    file {flag}", since=REVERSE),
    Line("    weight 0 reverse", since=REVERSE),
    Line("}}"),
)
INSTANCE = (
    Line("vrrp_instance {name} {{"),
    Line("    state BACKUP"),
    Line("    nopreempt"),
    Line("    dont_track_primary"),
    Line("    interface {interface}"),
    Line("    virtual_router_id {router_id}"),
    Line("    priority {priority}"),
    Line("    version 3"),
    Line("    advert_int {advert:g}"),
    Line("    down_timer_adverts 3", since=Version(2, 2, 3)),
    Line("    unicast_src_ip {source}"),
    Line("    unicast_fault_no_peer", since=Version(2, 2, 5)),
    Line("    check_unicast_src", since=TRACK_FILE),
    Line("    unicast_peer {{"),
    Line("{peers}"),
    Line("    }}"),
    Line("    garp_master_delay 0", since=TRACK_FILE),
    Line("    garp_master_repeat 1", since=TRACK_FILE),
    Line("    track_script {{", until=REVERSE),
    Line("    track_file {{", since=REVERSE),
    Line("        nvkeep_{service}"),
    Line("    }}"),
    Line("    virtual_ipaddress {{"),
    Line("        {marker} dev lo"),
    Line("    }}"),
    Line("    notify_deleted", since=Version(2, 1, 0)),
    Line("}}"),
)


def configuration(cluster: Cluster, host: str, build: Build) -> str:
    """Write keepalived's configuration for one host. Raises NotHere for a host that runs no service, Unsuited for a version."""
    mine = cluster.services_of(host)
    if not mine:
        raise NotHere(f"{host} may run no service of this cluster; its hosts are {', '.join(cluster.hosts)}")
    refuse(build.version, max(len(cluster.services[service].hosts) for service in mine))
    return HEAD.format(host=host, version=build.version) + "\n".join(_blocks(cluster, host, build))


def _blocks(cluster: Cluster, host: str, build: Build) -> Iterator[str]:
    yield _block(GLOBALS, build.version, fifo=FIFO)
    for service in cluster.services_of(host):
        yield _block(TRACK, build.version, service=service, flag=flag_path(service), grep=build.grep)
        for index in range(len(cluster.hosts[host].heartbeats)):
            yield _instance(cluster, service, host, index, build.version)


def _block(lines: Iterable[Line], version: Version, **values: object) -> str:
    return "".join(f"{line.text.format_map(values)}\n" for line in lines if line.since <= version < line.until)


def _instance(cluster: Cluster, service: str, host: str, index: int, version: Version) -> str:
    beat = cluster.hosts[host].heartbeats[index]
    hosts = cluster.services[service].hosts
    peers = [str(cluster.hosts[other].heartbeats[index].address) for other in hosts if other != host]
    number = cluster.router_id(service)
    return _block(
        INSTANCE,
        version,
        name=instances(cluster, service, host)[index],
        interface=beat.interface,
        router_id=number,
        priority=priority(hosts.index(host)),
        advert=cluster.timing.advert,
        source=beat.address,
        peers="\n".join(f"        {peer}{_on_link(peer, version)}" for peer in peers),
        service=service,
        marker=_marker(number, index, beat.address.version),
    )


def _on_link(peer: str, version: Version) -> str:
    return "" if ":" in peer or version < TRACK_FILE else " min_ttl 255 max_ttl 255"


def _marker(number: int, index: int, version: int) -> str:
    """Give an address for lo: VRRPv3 wants one, and nobody needs ARP for it. It is the same on every host."""
    return f"127.77.{number}.{index + 1}/32" if version == 4 else f"fd77::{number:x}:{index + 1:x}/128"  # noqa: PLR2004 - IPv4
