"""A host whose volume was taken while it wrote: what the client was told is safe, and nothing blocks. Needs root."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lab.commands import until
from lab.network import FLOATING
from lab.steady import boottime
from tests.cluster.conftest import ATTACHED, assert_clean

if TYPE_CHECKING:
    from lab.server import Server
    from tests.cluster.conftest import Pair

DEADLINE = 10.0  # seconds in which the old holder has released everything, whatever its I/O does
TAKE = ("nvmesh_attach_volumes", "--preempt", "--access", "EXCLUSIVE_READ_WRITE", "--json", "vol1")


def refused(pair: Pair, loser: Server) -> bool:
    return any(event["host"] == loser.name for event in pair.lab.storage.events("refused"))


def isolated(server: Server) -> list[str]:
    log = server.read("/var/log/nvkeep/actions.log")
    return [line for line in log.splitlines() if ": isolate: converged" in line]


@pytest.mark.parametrize("stalled", [False, True], ids=["fails", "stalls first"])
def test_what_the_client_was_told_is_safe_and_the_old_holder_ends_clean(fresh: Pair, stalled: bool) -> None:
    loser, thief = fresh.active, fresh.other
    if stalled:
        fresh.lab.storage.stall("vol1", loser.name)
        time.sleep(1)  # the client's writes are under way and hang
    begun = boottime()
    thief.run(TAKE, check=False)
    until(lambda: not loser.path(ATTACHED).exists(), within=DEADLINE, what="the old holder is still attached")
    assert_clean(loser)
    assert boottime() - begun < DEADLINE
    if stalled:
        fresh.lab.storage.resume("vol1", loser.name)
    fresh.finish(thief, clean=loser)


def test_the_address_goes_first(fresh: Pair) -> None:
    loser, thief = fresh.active, fresh.other
    thief.run(TAKE, check=False)
    until(lambda: not loser.path(ATTACHED).exists(), within=DEADLINE, what="the old holder is still attached")
    until(lambda: len(isolated(loser)) == 4, within=5, what="not all four kinds were isolated")
    lines = isolated(loser)
    assert [line.split(": ")[2].split(" ")[0] for line in lines] == ["address", "service", "mount", "volume"]
    assert FLOATING in lines[0]
    fresh.finish(thief, clean=loser)
