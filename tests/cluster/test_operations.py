"""docs/operations.md: every session is typed as it stands there, with a client that writes. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import databases, remote
from lab.cluster import Lab
from lab.databases import Database
from tests.cluster import sessions
from tests.cluster.conftest import Pair
from tests.cluster.sessions import Session
from tests.cluster.stage import MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

NAMES = ("srv-a", "srv-b")
TIMING = "reconcile: 4, step: 20, cooldown: 5"
PG = Database(more=("health: {postgresql: 5432}",))
SESSIONS = sessions.read(sessions.DOCUMENT.read_text())


def prepare(server: Server) -> None:
    databases.enable(server)
    remote.enable(server, NAMES)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(NAMES, config=databases.config((PG,), NAMES, timing=TIMING), prepare=prepare) as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> Pair:
    """Have the preferred server serve: that is where a session begins."""
    pair = Pair(lab)
    if pair.active.name == NAMES[0]:
        return pair
    pair.active.run(("nvkeep", "move", "pg", "--to", NAMES[0]), timeout=90)
    pair.writer.stop()
    return Pair(lab)


def assert_orderly(moves: list[str]) -> None:
    """Assert, by the storage's log, that every acquire found a volume that had been released."""
    assert not [move for move in moves if "preempt" in move], moves
    attached = [number for number, move in enumerate(moves) if not move.endswith(" detach")]
    assert all(number and moves[number - 1].endswith(" detach") for number in attached), moves


@pytest.mark.parametrize("session", SESSIONS, ids=lambda one: one.title)
def test_a_session_is_as_it_is_written(session: Session, pair: Pair) -> None:
    before = len(pair.lab.storage.moves(PG.volume))
    sessions.type_all(pair.lab, session)
    serving = pair.lab[session.ends]
    other = next(server for server in pair.lab if server is not serving)
    result = pair.finish(serving, clean=other)
    pair.wait_ready(other)
    moves = pair.lab.storage.moves(PG.volume)[before:]
    if not session.seized:
        assert_orderly(moves)
    MEASURED.append(f"session {session.title!r}: {len(moves)} moves, longest gap {result.longest_gap_seconds:.2f} s")
