"""`nvkeep move` without ssh, a move that turns round, and one of three servers. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import databases, protected, remote
from lab.cluster import Lab
from lab.databases import Database
from tests.cluster.conftest import Pair, kept_pair
from tests.cluster.stage import MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMING = "reconcile: 4, step: 10"
PG = Database(more=("holders: none",))


def make() -> Lab:
    return Lab(PG.hosts, config=databases.config((PG,), PG.hosts, timing=TIMING), prepare=protected.prepare)


kept, pair = kept_pair(make)


def moves(pair: Pair) -> list[str]:
    return pair.lab.storage.moves(PG.volume, 0.0)


def test_without_ssh_it_is_typed_where_the_service_is(pair: Pair) -> None:
    done = pair.other.run(("nvkeep", "move", "pg"), check=False, timeout=60)
    assert done.returncode == 2
    assert f"it is not served by {pair.other.name}; cannot reach {pair.active.name} over ssh" in done.stderr
    done = pair.active.run(("nvkeep", "move", "pg"), check=False, timeout=60)
    assert done.returncode == 1
    assert f"{pair.other.name} cannot be asked whether it may take it (ssh {pair.other.name} true)" in done.stderr
    pair.finish(pair.active, clean=pair.other)


def test_there_and_back_and_never_a_seize(pair: Pair) -> None:
    first, second = pair.active, pair.other
    before = len(moves(pair))
    done = first.run(("nvkeep", "move", "pg", "--force"), timeout=60)
    assert "another host serves it" in done.stdout
    pair.wait_serving(second)
    pair.wait_ready(first)
    second.run(("nvkeep", "move", "pg", "--force"), timeout=60)
    result = pair.finish(first, clean=second)
    there_and_back = [f"{first.name} detach", f"{second.name} plain", f"{second.name} detach", f"{first.name} plain"]
    assert moves(pair)[before:] == there_and_back
    MEASURED.append(f"move: outages {', '.join(f'{length:.2f} s' for _, length in result.gaps)}")


def test_a_stuck_move_turns_round(pair: Pair) -> None:
    server, other = pair.active, pair.other
    server.run(("systemd-run", "--unit=squatter", f"--working-directory={protected.PATH}", "/usr/bin/sleep", "8888"))
    before = len(moves(pair))
    done = server.run(("nvkeep", "move", "pg", "--force"), check=False, timeout=150)
    assert done.returncode == 1
    assert "it is not released" in done.stderr
    assert "squatter.service" in done.stderr
    pair.finish(server, clean=other)
    assert moves(pair)[before:] == []
    pair.in_order = False  # the squatter still works there


@pytest.fixture
def three(alone: None) -> Iterator[Pair]:  # noqa: ARG001 - a worker has one lab at a time
    names = ("srv-a", "srv-b", "srv-c")
    with remote.lab(Database(hosts=names), names, TIMING) as lab:
        yield Pair(lab)


def test_of_three_servers_the_one_that_is_meant_takes_it(three: Pair) -> None:
    third = next(server for server in three.lab if server not in (three.active, three.other))
    for server in (three.other, third):
        three.wait_ready(server)
    before = len(moves(three))
    for to in (third, three.active):
        three.other.run(("nvkeep", "move", "pg", "--to", to.name), timeout=90)
        three.wait_serving(to)
    three.finish(three.active, clean=third)
    ways = [f"{three.active.name} detach", f"{third.name} plain", f"{third.name} detach", f"{three.active.name} plain"]
    assert moves(three)[before:] == ways
    assert three.other.run(("nvkeep", "override")).stdout == ""
