"""What in other people's keepalived configuration does not go with ours, and what to do.

What is not listed here was tried with it and is harmless, or was never seen: docs/keepalived.md.
"""

from collections.abc import Iterator

from nvkeep.host import Host
from nvkeep.keepalived.conf import REVERSE
from nvkeep.keepalived.names import every_instance, finding
from nvkeep.keepalived.parser import Instance, Statement, instances, whole
from nvkeep.keepalived.version import Version
from nvkeep.model.finding import Finding
from nvkeep.model.spec import Cluster

CRASHES = (Version(2, 1, 0), Version(2, 2, 0))
OWN = "run it with a keepalived of its own, or remove the line"
REFUSED = {  # what is wrong with it, and what to do
    "vrrp_notify_fifo": ("keepalived has only one such FIFO, and nvkeep needs it", "use notify_fifo instead"),
    "vrrp_notify_fifo_script": (
        "it would read the FIFO that nvkeep reads",
        "use notify_fifo and notify_fifo_script instead",
    ),
    "vrrp_strict": ("it forbids unicast, which nvkeep uses", "write strict_mode into the vrrp_instances that need it"),
    "vrrp_rt_priority": (
        "with it a reload may kill keepalived's vrrp process (seen with 2.2.7 and 2.3.4)",
        "use CPUSchedulingPolicy=rr in a drop-in of keepalived.service instead",
    ),
    "instance": ("keepalived then has other pidfiles, and nvkeep cannot ask it", OWN),
    "net_namespace": ("keepalived then does not see the interfaces of this host", OWN),
    "net_namespace_ipvs": ("keepalived then runs in several network namespaces", OWN),
    "reload_file": ("a reload then reads another file", "remove the line"),
}
ROOTS = ("", "global_defs")
ORIGINAL = "nvkeep_inst_HOST_"  # what the original nvkeep's instances are called

SHUTDOWN = "nvkeep_clean_shutdown.original"  # as `make install` names the one that it finds


def clashes_of(host: Host, text: str, cluster: Cluster, version: Version) -> Iterator[Finding]:
    """Name everything in keepalived.conf, and in what it includes, that does not go with ours."""
    yield from clashes(list(whole(host, text)), cluster, host.name, version)


def clashes(statements: list[Statement], cluster: Cluster, host: str, version: Version) -> Iterator[Finding]:
    """Name everything in others' statements that does not go with ours."""
    for statement in statements:
        word = statement.words[0]
        if " ".join(statement.blocks) in ROOTS and word in REFUSED and not (word == "instance" and len(statement.words) == 1):
            why, fix = REFUSED[word]
            yield finding(f"{statement.place}: {word}: {why}", fix)
        if (
            statement.blocks == ("global_defs",)
            and word == "script_user"
            and version < REVERSE
            and statement.words[1:2] != ("root",)
        ):
            why = f"{statement.place}: script_user: before keepalived {REVERSE} nvkeep needs root"
            yield finding(why, "write user NAME into vrrp_scripts")
    yield from _order(statements)
    others = instances(statements)
    for other in others:
        yield from _instance(other, others, cluster, host, version)


def _order(statements: list[Statement]) -> Iterator[Finding]:
    """Name FIFOs without a user before script_user: start and `keepalived -t` are fine with it, a reload ends keepalived."""
    fifo = None
    for statement in statements:
        if statement.words[0] in ("notify_fifo", "lvs_notify_fifo") and len(statement.words) == 2:  # noqa: PLR2004 - keyword and path
            fifo = statement
        elif fifo and statement.words[0] in ("script_user", "enable_script_security"):
            what = " ".join(fifo.words)
            why = f"{fifo.place}: {what} stands before {statement.words[0]}: a reload ends keepalived then"
            yield finding(why, f"write {what} root root")
            return


def _instance(other: Instance, others: list[Instance], cluster: Cluster, host: str, version: Version) -> Iterator[Finding]:
    if other.name in every_instance(cluster, host):
        yield finding(f"{other.place}: vrrp_instance {other.name}: nvkeep writes one of this name", "remove this one")
        return
    if other.name.startswith(ORIGINAL):
        yield finding(
            f"{other.place}: vrrp_instance {other.name} is the original nvkeep's, whose scripts take volumes by preempting",
            f"shut it down by its own {SHUTDOWN} and remove it (docs/original.md)",
        )
        return
    interfaces = [beat.interface for beat in cluster.hosts[host].heartbeats]
    if other.interface not in interfaces:
        return
    if CRASHES[0] <= version < CRASHES[1] and not other.unicast:
        yield finding(
            f"{other.place}: vrrp_instance {other.name} uses multicast on {other.interface}, where nvkeep uses unicast: "
            f"keepalived 2.1.5 crashes then",
            f"give it unicast_peer, or install keepalived {CRASHES[1]}",
        )
    for service in cluster.services_of(host):
        if cluster.router_id(service) == other.router_id:
            yield finding(
                f"{other.place}: vrrp_instance {other.name} has virtual router id {other.router_id} on {other.interface}, "
                f"as service {service} of cluster.yaml",
                f"write there router_id: {free(cluster, others)}",
            )


def free(cluster: Cluster, others: list[Instance]) -> int:
    """Find a virtual router id that nobody uses."""
    used = {cluster.router_id(service) for service in cluster.services} | {other.router_id for other in others}
    return next(number for number in range(1, 256) if number not in used)
