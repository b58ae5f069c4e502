"""The protected service of the demo and of the cluster tests: PostgreSQL on a volume that fences, with a floating address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cluster import Lab
from lab.commands import run, until
from lab.network import FLOATING, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.server import Server

UNIT = "postgresql@15-main.service"
PATH = "/srv/pg"
SERVICE_NAME = "pg"
ENABLED = ("nvkeep.service", "nvkeep-reconcile.timer", "keepalived.service")
CONFIG = """\
cluster: lab
hosts:
  srv-a: {{heartbeats: [{{interface: hb0, address: 10.78.0.1}}]}}
  srv-b: {{heartbeats: [{{interface: hb0, address: 10.78.0.2}}]}}
timing: {{advert: 0.2, reconcile: {reconcile}}}
nvmesh: {{proc: /run/nvmesh-proc/nvmeibc}}
services:
  pg:
    hosts: [srv-a, srv-b]
    volumes: [{{name: vol1}}]
    mounts: [{{volume: vol1, path: /srv/pg, fstype: ext4, options: [noatime]}}]
    addresses: [{{address: {floating}/24, interface: {interface}}}]
    units: [postgresql@15-main.service]
"""


def config(reconcile: int = 10) -> str:
    """Write the cluster.yaml of the pair."""
    return CONFIG.format(reconcile=reconcile, floating=FLOATING, interface=SERVICE.interface)


def prepare(server: Server) -> None:
    """Give a server its part of keepalived.conf, made by the nvkeep in it, and enable what starts at boot."""
    root = str(server.root)
    made = run(("chroot", root, "/usr/bin/nvkeep", "keepalived", "--host", server.name)).stdout
    server.write("/etc/keepalived/nvkeep.conf", made)  # as --install leaves it, which wants a server that is up
    server.write("/etc/keepalived/keepalived.conf", "include /etc/keepalived/nvkeep.conf\n")
    run(("chroot", root, "systemctl", "enable", "--quiet", *ENABLED))


def pair(servers: Iterable[str] = ("srv-a", "srv-b"), *, reconcile: int = 10) -> Lab:
    """Make a lab whose servers run nvkeep and protect PostgreSQL."""
    return Lab(servers, config=config(reconcile), prepare=prepare)


def serves(server: Server) -> bool:
    """Tell whether the service runs on a server: mounted, addressed, active."""
    if not server.alive:
        return False
    mounted = f" {PATH} " in server.read("/proc/1/mountinfo")
    return mounted and FLOATING in addresses(server) and active(server)


def active(server: Server) -> bool:
    """Tell whether the unit is active."""
    return server.run(("systemctl", "is-active", UNIT), check=False).stdout.strip() == "active"


def addresses(server: Server) -> str:
    """Print the addresses of the service interface."""
    return server.run(("ip", "-br", "-4", "addr", "show", "dev", SERVICE.interface)).stdout


def active_server(lab: Lab, within: float = 30) -> Server:
    """Wait until exactly one server serves, and give it."""
    until(lambda: sum(serves(server) for server in lab) == 1, within=within, what="no server serves, or both")
    return next(server for server in lab if serves(server))


def ready(server: Server) -> bool:
    """Tell whether a server waits in the background, able to take over."""
    done = server.run(("nvkeep", "status"), check=False)
    return done.returncode == 0 and "role BACKUP" in done.stdout


def well(server: Server) -> bool:
    """Tell whether nvkeep calls the service on a server ok."""
    return server.run(("nvkeep", "status"), check=False).returncode == 0
