"""ARP and neighbour discovery between real network stacks: who answers, and who believes an announcement. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.cluster import Lab
from lab.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

V4, V6 = "10.77.0.77", "fd77::77"
CODE = "import sys; sys.path.insert(0, '/usr/lib/nvkeep/current'); from nvkeep.host import wire; print({})"


@pytest.fixture(scope="module")
def bare() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def ask(server: Server, address: str) -> bool:
    call = f"wire.answers('host0', '{address}', 0.5)"
    return server.run(("python3", "-I", "-c", CODE.format(call))).stdout.strip() == "True"


@pytest.mark.parametrize("address", [V4, V6])
def test_a_neighbour_answers_and_oneself_does_not(bare: Lab, address: str) -> None:
    here, there = bare
    assert not ask(here, address)
    there.run(("ip", "addr", "add", f"{address}/24" if address == V4 else f"{address}/64", "dev", "host0", *_nodad(address)))
    assert ask(here, address)
    assert not ask(there, address)
    there.run(("ip", "addr", "flush", "dev", "host0", "to", address))
    assert not ask(here, address)


def _nodad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


@pytest.mark.parametrize("address", [V4, V6])
def test_an_announcement_moves_a_stale_neighbour_entry(bare: Lab, address: str) -> None:
    _, there = bare
    bridge = run((*bare.network.enter(), "sh", "-c", "ip -o addr show | grep 10.77.0.254")).stdout.split()[1]
    stale = "02:00:00:00:99:99"
    run((*bare.network.enter(), "ip", "neigh", "replace", address, "lladdr", stale, "nud", "reachable", "dev", bridge))
    assert stale in _neighbour(bare, address)
    there.run(("ip", "addr", "add", f"{address}/24" if address == V4 else f"{address}/64", "dev", "host0", *_nodad(address)))
    there.run(("nvkeep", "announce", "host0", address))
    own = there.run(("cat", "/sys/class/net/host0/address")).stdout.strip()
    assert own in _neighbour(bare, address)
    there.run(("ip", "addr", "flush", "dev", "host0", "to", address))


def _neighbour(lab: Lab, address: str) -> str:
    return run((*lab.network.enter(), "ip", "neigh", "show", address)).stdout
