"""The protected service of the demo and of the cluster tests: PostgreSQL on a volume that fences, with a floating address."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lab import databases
from lab.cluster import Lab
from lab.commands import until
from lab.databases import Database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.server import Server

PG = Database()
UNIT, PATH, SERVICE_NAME = PG.unit, PG.path, PG.name
serves, active, addresses, prepare = PG.serves, PG.active, databases.addresses, databases.enable


def config(reconcile: int = 10) -> str:
    """Write the cluster.yaml of the pair."""
    return databases.config((PG,), PG.hosts, timing=f"reconcile: {reconcile}")


def pair(servers: Iterable[str] = ("srv-a", "srv-b"), *, reconcile: int = 10) -> Lab:
    """Make a lab whose servers run nvkeep and protect PostgreSQL."""
    return Lab(servers, config=config(reconcile), prepare=prepare)


def active_server(lab: Lab, within: float = 30) -> Server:
    """Wait until exactly one server serves, and give it."""
    until(lambda: sum(serves(server) for server in lab) == 1, within=within, what="no server serves, or both")
    return next(server for server in lab if serves(server))


def flag(server: Server, service: str = SERVICE_NAME) -> bool:
    """Return whether the server's own flag is up; without it nvkeep calls nothing well, and a file is cheaper to ask."""
    with suppress(OSError):  # it has no power, or has just lost it
        return server.path(f"/run/nvkeep/eligible/{service}").read_text().strip() == "1"
    return False


def reported(server: Server, service: str, *, role: str = "", did: str = "") -> bool:
    """Return whether the last pass on a server had this role, or did this: worth a look before a command that takes longer."""
    with suppress(OSError, ValueError, KeyError):
        last = json.loads(server.path(f"/run/nvkeep/report/{service}").read_text())
        return str(last.get("role", role)).startswith(role) and str(last["did"]).startswith(did)
    return False


def ready(server: Server) -> bool:
    """Return whether a server waits in the background, able to take over."""
    if not (flag(server) and reported(server, SERVICE_NAME, role="BACKUP")):
        return False
    said = status(server)
    return bool(said["summary"] == "ok" and said["role"].startswith("BACKUP"))


def well(server: Server) -> bool:
    """Return whether nvkeep calls the service on a server ok."""
    return flag(server) and reported(server, SERVICE_NAME, did="serve") and status(server)["summary"] == "ok"


def status(server: Server) -> dict[str, Any]:
    """Read what a server says of the service; the version before prints the same JSON."""
    listed: list[dict[str, Any]] = json.loads(server.run(("nvkeep", "status", "--json"), check=False).stdout)
    return listed[0]
