"""Servers that have nvkeep and keepalived and nothing configured, and `nvkeep setup` on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import remote
from lab.cluster import Lab

if TYPE_CHECKING:
    import subprocess

    from lab.server import Server

FILE = "/etc/nvkeep/cluster.yaml"
UNITS = ("nvkeep.service", "nvkeep-reconcile.timer", "nvkeep-shutdown.service", "keepalived.service")
SETUP = ("nvkeep", "setup")


def bare(names: tuple[str, ...], heartbeats: int = 1) -> Lab:
    """Make servers that could be set up, and are not; cluster.yaml is on the first only."""
    return Lab(names, heartbeats=heartbeats, prepare=lambda server: remote.enable(server, names))


def setup(server: Server, *options: str) -> subprocess.CompletedProcess[str]:
    return server.run((*SETUP, *options), check=False, timeout=180)


def standing(lab: Lab) -> dict[str, list[str]]:
    """Tell everything of /etc, and how the units are: what must be as before where nothing was changed."""
    return {server.name: [*etc(server), *units(server)] for server in lab}


def etc(server: Server) -> list[str]:
    files = server.run(("find", "/etc", "-type", "f", "-exec", "sha256sum", "{}", "+")).stdout.splitlines()
    return sorted([*files, *server.run(("find", "/etc", "-printf", "%p %M %u:%g %l\n")).stdout.splitlines()])


def units(server: Server) -> list[str]:
    asked = ("systemctl", "show", "--property=Id,ActiveState,UnitFileState", *UNITS)
    return server.run(asked).stdout.split()


def switch(lab: Lab, **states: str) -> None:
    """Assert that on every server the units of nvkeep and keepalived are so."""
    for server in lab:
        for what, state in states.items():
            said = {name: server.run(("systemctl", f"is-{what}", name), check=False).stdout.strip() for name in UNITS}
            assert set(said.values()) == {state}, (server.name, what, said)
