"""A unit whose own stop takes an hour does not keep a host from isolating itself. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import protected
from lab.commands import until
from lab.network import FLOATING
from lab.steady import boottime
from tests.cluster.conftest import ATTACHED, Pair, assert_clean
from tests.cluster.test_busy import DROP_IN, TAKE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

DEADLINE = 10.0  # seconds in which the old holder has released everything
HOUR = (
    "[Service]\nExecStop=\nExecStop=/bin/sleep 3600\nExecStopPost=/bin/sleep 3600\nTimeoutStopSec=infinity\nKillMode={mode}\n"
)


@pytest.fixture(params=["control-group", "process"])
def slow(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with protected.pair(reconcile=4) as lab:
        for server in lab:
            server.write(DROP_IN, HOUR.format(mode=request.param))
            server.run(("systemctl", "daemon-reload"))
        yield Pair(lab)


def assert_isolated(pair: Pair, loser: Server, thief: Server) -> None:
    begun = boottime()
    thief.run(TAKE, check=False)
    until(lambda: FLOATING not in protected.addresses(loser), within=5, what="the address is still there")
    until(lambda: not loser.path(ATTACHED).exists(), within=DEADLINE, what="the old holder is still attached")
    assert boottime() - begun < DEADLINE
    assert_clean(loser)
    pair.finish(thief, clean=loser)
    assert pair.taken() == [f"{thief.name} preempt"]


def test_the_volume_is_taken_while_it_serves(slow: Pair) -> None:
    assert_isolated(slow, slow.active, slow.other)


def test_the_volume_is_taken_while_it_stops(slow: Pair) -> None:
    loser, thief = slow.active, slow.other
    thief.run(("nvkeep", "role", "pg", "--set", "BACKUP"))
    loser.run(("systemctl", "stop", "keepalived"))
    until(lambda: "deactivating" in loser.run(("systemctl", "show", "-p", "ActiveState", protected.UNIT)).stdout,
          within=20, what="it does not stop")  # fmt: skip
    thief.run(("nvkeep", "role", "pg", "--unset"))
    assert_isolated(slow, loser, thief)
