"""Real sshd in the servers: root of each may log in to each without a question, as administrators set their pairs up.

The base system has one key of root's and one host key, so they are the same on all servers; nothing but the lab's own network
reaches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import databases
from lab.cluster import Lab
from lab.commands import run
from lab.network import SERVICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.databases import Database
    from lab.server import Server

HOST_KEY = "etc/ssh/ssh_host_ed25519_key.pub"


def enable(server: Server, names: Sequence[str]) -> None:
    """Give a server without power sshd, and the names of its peers; `names` in the order the servers are numbered in."""
    addresses = {SERVICE.address(number): name for number, name in enumerate(names, 1)}
    server.write("/etc/hosts", "127.0.0.1 localhost\n" + "".join(f"{ip} {name}\n" for ip, name in addresses.items()))
    key = " ".join(server.read(f"/{HOST_KEY}").split()[:2])
    server.write("/root/.ssh/known_hosts", "".join(f"{name},{ip} {key}\n" for ip, name in addresses.items()), 0o600)
    run(("chroot", str(server.root), *databases.ENABLE, "ssh.service"))


def lab(one: Database, names: Sequence[str], timing: str) -> Lab:
    """Make a lab whose servers protect one database, and reach each other by ssh."""

    def prepare(server: Server) -> None:
        databases.enable(server)
        enable(server, names)

    return Lab(names, config=databases.config((one,), names, timing=timing), prepare=prepare)
