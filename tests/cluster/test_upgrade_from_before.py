"""An upgrade from the version before, while it serves: nothing moves, nothing that was on record is forgotten. Needs root.

The version before is a commit of this repository (BEFORE), installed by its own packaging into the servers before they boot.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from lab import databases, places, remote
from lab.cluster import Lab
from lab.commands import run, until
from lab.databases import Database
from tests.cluster.conftest import ATTACHED, Pair
from tests.cluster.stage import MEASURED
from tests.cluster.test_failover import main_pid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.server import Server

BEFORE = "a2f8813"  # the last version with its modules flat at the top
QUIET = 0.5  # seconds: the longest gap where nothing may move
NAMES = ("srv-a", "srv-b")
PG = Database()
TAKE = ("nvmesh_attach_volumes", "--preempt", "--access", "EXCLUSIVE_READ_WRITE", "--json", "vol1")
LOSS = "/var/lib/nvkeep/loss/pg"
REASON = "new disks in srv-b"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a checkout of the version before."""
    tree = tmp_path_factory.mktemp("before")
    run(("git", "-C", str(places.REPOSITORY), "archive", f"--output={tree}/before.tar", BEFORE), timeout=60)
    run(("tar", "-x", "-C", str(tree), "-f", f"{tree}/before.tar"), timeout=60)
    return tree


@pytest.fixture
def pair(old: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Give a pair that runs the version before, and reaches each other by ssh."""

    def prepare(server: Server) -> None:
        run((str(old / "packaging/install"), str(server.root)), timeout=300)
        databases.enable(server)
        remote.enable(server, NAMES)

    timing = f"{request.param}reconcile: 4, step: 20, cooldown: 5"
    with Lab(NAMES, config=databases.config((PG,), NAMES, timing=timing), install=False, prepare=prepare) as lab:
        yield Pair(lab)


def upgrade(server: Server) -> None:
    """Install this checkout, and wait until the agent goes on as it, with the same pid."""
    pid, before = main_pid(server, "nvkeep.service"), code(server)
    run((str(places.REPOSITORY / "packaging/install"), f"/proc/{server.pid}/root"), timeout=300)
    assert code(server) != before
    until(lambda: f"going on as {code(server)}" in server.journal(), within=20, what="the agent is not the new code")
    assert main_pid(server, "nvkeep.service") == pid


def renew(server: Server) -> None:
    """Type what `nvkeep status` prints: this version has another default of `advert`, so keepalived's part is another one."""
    status = server.run(("nvkeep", "status", "--local"), check=False).stdout
    assert "`advert_int 0.2`, cluster.yaml makes it `advert_int 0.1`; nvkeep keepalived --install" in status, status
    server.run(("nvkeep", "keepalived", "--install"))


def code(server: Server) -> str:
    return server.run(("readlink", "/usr/lib/nvkeep/current")).stdout.strip()


def on_record(server: Server, path: str) -> dict[str, object]:
    return dict(json.loads(server.read(path)))


@pytest.mark.parametrize("pair", [""], indirect=True)
def test_nothing_moves_and_nothing_on_record_is_forgotten(pair: Pair) -> None:
    """A volume was taken from one host, which has not heard the other since; the other has an order on record."""
    loser, server = pair.active, pair.other
    server.run(("nvkeep", "override", "set", "maintenance", "pg", "--for", "1h", "--reason", REASON))
    server.run(("nvkeep", "override", "end", "maintenance", "pg"))
    loser.run(("systemctl", "kill", "--signal=STOP", "keepalived.service"))  # it hears nobody from now on
    server.run(TAKE, check=False)
    until(lambda: not loser.path(ATTACHED).exists(), within=20, what="the old holder is still attached")
    pair.wait_serving(server)
    pair.writer.stop()
    lost = on_record(loser, LOSS)
    assert lost["loss"]["count"] == 1  # type: ignore[index]
    loser.run(("nvkeep", "standby", "--force", "--reason", REASON))
    pair.writer = pair.lab.writer().start()
    pair.more_rows()
    for host in (server, loser):
        upgrade(host)
        pair.more_rows()
    renew(server)
    assert on_record(loser, LOSS)["loss"]["count"] == 1  # type: ignore[index]
    status = loser.run(("nvkeep", "status", "--local"), check=False).stdout
    assert REASON in status
    loser.run(("systemctl", "kill", "--signal=CONT", "keepalived.service"))
    renew(loser)
    loser.run(("nvkeep", "activate"), check=False)
    pair.wait_ready(loser)
    until(lambda: on_record(loser, LOSS)["loss"]["count"] == 0, within=20, what="the other was heard")  # type: ignore[index]
    result = pair.finish(server, clean=loser)
    MEASURED.append(f"longest gap of an upgrade from {BEFORE} while it serves {result.longest_gap_seconds:.2f} s")
    assert result.longest_steady_gap < QUIET


@pytest.mark.parametrize("pair", ["advert: 0.2, "], indirect=True)
def test_a_service_moves_between_the_version_before_and_this_one(pair: Pair) -> None:
    new, before = pair.other, pair.active
    upgrade(new)
    pair.wait_ready(new)
    for to in (new, before):
        said = pair.active.run(("nvkeep", "move", "pg", "--to", to.name), timeout=90).stdout
        assert f"{to.name} serves it" in said
        pair.writer.stop()
        pair = Pair(pair.lab)
        assert pair.active is to
    asked = new.run(("nvkeep", "move", "pg"), timeout=90).stdout  # typed on the new one, handed on to the old one, which serves
    assert f"{new.name} serves it" in asked
    pair.writer.stop()
    for host, peer in ((new, before), (before, new)):
        seen = host.run(("nvkeep", "status", "--all"), check=False).stdout
        assert "cluster.yaml differs" not in seen, seen
        assert re.search(rf"^pg: (\w+: )?served by {new.name}", seen, re.MULTILINE), f"{host.name} misreads {peer.name}: {seen}"
    moves = pair.lab.storage.moves(PG.volume, 0.0)
    assert [move for move in moves if "preempt" in move] == []
