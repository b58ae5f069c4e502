"""PostgreSQL as a protected service, as many as a test needs side by side: each with its own volume, address and port."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.commands import run
from lab.network import HEARTBEATS, SERVICE
from lab.tree import POSTGRESQL as VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lab.server import Server

ENABLED = ("nvkeep.service", "nvkeep-reconcile.timer", "keepalived.service")
OF_BASE = "main"  # the database that the base system is configured for; the others are made after it
WRITE = "select pg_logical_emit_message(true, $$nvkeep$$, $$$$)"  # writes, and waits until it is on the volume
TEXT = """\
  {one.name}:
    hosts: [{hosts}]
    volumes: [{{name: {one.volume}}}]
    mounts: [{{volume: {one.volume}, path: {one.path}, fstype: ext4, options: [noatime]}}]
    addresses: [{{address: {one.address}/24, interface: {interface}}}]
"""
HEAD = """\
cluster: lab
timing: {{{timing}}}
nvmesh: {{proc: /run/nvmesh-proc/nvmeibc}}
"""


@dataclass(frozen=True)
class Database:
    """One protected PostgreSQL. The first has the names that the base system knows; `more` is YAML, a line a key.

    A `bare` one is volume, mount and address only, for services that need not do anything.
    """

    name: str = "pg"
    number: int = 1
    hosts: tuple[str, ...] = ("srv-a", "srv-b")
    more: tuple[str, ...] = ()
    bare: bool = False

    @property
    def volume(self) -> str:
        """Name its volume."""
        return f"vol{self.number}"

    @property
    def path(self) -> str:
        """Say where it is mounted."""
        return "/srv/pg" if self.number == 1 else f"/srv/{self.name}"

    @property
    def address(self) -> str:
        """Give its floating address."""
        return SERVICE.address(9 + self.number)

    @property
    def port(self) -> int:
        """Give the port it listens on."""
        return 5431 + self.number

    @property
    def unit(self) -> str:
        """Name its unit."""
        return f"postgresql@{VERSION}-{self._cluster}.service"

    @property
    def health(self) -> str:
        """Write a health check, for `more`, that fails as soon as nothing can be written."""
        to = f"host={self.address} port={self.port} user=postgres connect_timeout=1"
        return f"health: {{command: [/usr/bin/psql, -qAtd, '{to}', -c, '{WRITE}']}}"

    @property
    def _cluster(self) -> str:
        return OF_BASE if self.number == 1 else self.name

    def yaml(self) -> str:
        """Write its part of cluster.yaml."""
        units = () if self.bare else (f"units: [{self.unit}]",)
        lines = "".join(f"    {line}\n" for line in (*units, *self.more))
        return TEXT.format(one=self, hosts=", ".join(self.hosts), interface=SERVICE.interface) + lines

    def prepare(self, server: Server) -> None:
        """Configure it in a server that has no power yet: a copy of the base's, with its own place and port."""
        if self.number == 1 or self.bare:
            return
        etc, mine = server.path(f"/etc/postgresql/{VERSION}"), self._cluster
        run(("cp", "-a", str(etc / OF_BASE), str(etc / mine)))
        conf = etc / mine / "postgresql.conf"
        text = conf.read_text().replace(f"{VERSION}/{OF_BASE}/pg_", f"{VERSION}/{mine}/pg_")
        text = text.replace(f"{VERSION}-{OF_BASE}.pid", f"{VERSION}-{mine}.pid")
        conf.write_text(
            text.replace(f"/srv/pg/{VERSION}/{OF_BASE}", f"{self.path}/{VERSION}/{OF_BASE}").replace("5432", str(self.port))
        )

    # --- how it stands on a server

    def serves(self, server: Server) -> bool:
        """Return whether it runs on a server, wholly: mounted, addressed, active."""
        return server.awake and self.mounted(server) and self._answers(server) and (self.bare or self.active(server))

    def _answers(self, server: Server) -> bool:
        """Return whether a server answers for its address, by the kernel's own table: to ask for that costs no command."""
        table = Path(f"/proc/{server.pid}/net/fib_trie").read_text()
        return re.search(rf"\|-- {re.escape(self.address)}\n\s+/32 host LOCAL", table) is not None

    def left(self, server: Server) -> list[str]:
        """List what of it is on a server; a server that does not have the service has nothing of it."""
        found = {
            "mount": self.mounted(server),
            "address": self.addressed(server),
            "unit": self.active(server),
            "volume": server.path(f"/run/nvmesh-proc/nvmeibc/volumes/{self.volume}").exists(),
        }
        return [what for what, there in found.items() if there]

    def mounted(self, server: Server) -> bool:
        """Return whether its file system is mounted."""
        return f" {self.path} " in server.read("/proc/1/mountinfo")

    def addressed(self, server: Server) -> bool:
        """Return whether a server has its floating address."""
        return f"{self.address}/24" in addresses(server).split()

    def active(self, server: Server) -> bool:
        """Return whether its unit is active. Without its pid file it is not, and to look for that costs no command."""
        if not server.path(f"/run/postgresql/{VERSION}-{self._cluster}.pid").exists():
            return False
        return server.run(("systemctl", "is-active", self.unit), check=False).stdout.strip() == "active"


def addresses(server: Server) -> str:
    """Print the addresses of the service interface."""
    return server.run(("ip", "-br", "-4", "addr", "show", "dev", SERVICE.interface)).stdout


def config(databases: Iterable[Database], servers: Sequence[str], *, heartbeats: int = 1, timing: str = "reconcile: 4") -> str:
    """Write the cluster.yaml of servers that are numbered in their order, and of the databases on them."""
    beats = HEARTBEATS[:heartbeats]

    def member(name: str, number: int) -> str:
        ends = ", ".join(f"{{interface: {net.interface}, address: {net.address(number)}}}" for net in beats)
        return f"  {name}: {{heartbeats: [{ends}]}}\n"

    members = "".join(member(name, number) for number, name in enumerate(servers, 1))
    services = "".join(one.yaml() for one in databases)
    return f"{HEAD.format(timing=timing)}hosts:\n{members}services:\n{services}"


# Without what keeps the start scripts of before systemd in step: a Perl program and two reloads for each unit.
ENABLE = ("env", "SYSTEMCTL_SKIP_SYSV=1", "systemctl", "enable", "--quiet")
MADE: dict[tuple[str, ...], str] = {}  # what the same nvkeep has made of the same cluster.yaml before, in this process
KEPT = "/var/lib/nvkeep/cluster.kept"
READ = """import sys
sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
from nvkeep import config
from nvkeep.host import LocalHost
config.load(config.DEFAULT_FILE, LocalHost())"""


def enable(server: Server, units: Sequence[str] = ENABLED) -> None:
    """Give a server without power its part of keepalived.conf, made by the nvkeep in it, and enable what starts at boot."""
    root = str(server.root)
    server.write("/etc/keepalived/nvkeep.conf", made(server))  # as --install leaves it, which wants a server that is up
    server.write("/etc/keepalived/keepalived.conf", "include /etc/keepalived/nvkeep.conf\n")
    run(("chroot", root, *ENABLE, *units))


def made(server: Server) -> str:
    """Have the nvkeep in a server read cluster.yaml, as at a boot before, and make its part of keepalived.conf.

    Each once in this process for the same code and cluster.yaml: to read it takes as long as the rest of a start.
    """
    code, text = str(server.path("/usr/lib/nvkeep/current").readlink()), server.read("/etc/nvkeep/cluster.yaml")
    if server.path(f"/usr/lib/nvkeep/{code}/nvkeep/config/kept.py").exists():  # a version before keeps nothing
        if (code, text) not in MADE:
            run(("chroot", str(server.root), "/usr/bin/python3", "-IS", "-c", READ))
            MADE[code, text] = server.read(KEPT)
        server.write(KEPT, MADE[code, text])
    if (code, text, server.name) not in MADE:
        command = ("chroot", str(server.root), "/usr/bin/nvkeep", "keepalived", "--host", server.name)
        MADE[code, text, server.name] = run(command).stdout
    return MADE[code, text, server.name]
