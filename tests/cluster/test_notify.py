"""Somebody is told of each change once: by a webhook and by a mail, both received on the lab. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import databases
from lab.cluster import Lab
from lab.databases import Database
from tests.cluster.conftest import Pair
from tests.cluster.notices import BOTH, NOTIFY, TELL, Told, prepare, script

if TYPE_CHECKING:
    from collections.abc import Iterator

PG = Database()


@pytest.fixture
def pair() -> Iterator[Pair]:
    text = databases.config((PG,), PG.hosts, timing="reconcile: 2, cooldown: 5")
    with Lab(PG.hosts, config=text + NOTIFY, prepare=prepare) as lab:
        yield Pair(lab)


@pytest.fixture
def told(pair: Pair) -> Iterator[Told]:
    with Told(pair.lab) as receives:
        yield receives


def test_each_change_is_told_once(pair: Pair, told: Told) -> None:
    active, other = pair.active, pair.other
    assert "pg: test: notified" in active.run(("nvkeep", "notify", "--test")).stdout
    told.hear(active, "test")
    other.run(("systemctl", "mask", PG.unit))
    told.hear(other, "not-ready")
    other.run(("systemctl", "unmask", PG.unit))
    told.hear(other, "all-clear")
    pair.wait_ready(other)
    active.power_cut()
    told.hear(other, "takeover")
    told.hear(other, "not-ready", 2)  # of the host that is dead
    active.power_on()
    pair.wait_ready(active)
    told.hear(other, "all-clear", 2)
    before = told.all()
    other.run(("systemctl", "kill", "-s", "KILL", "nvkeep.service"))  # a new agent does not tell again what was told
    pair.wait_serving(other)
    pair.more_rows()
    assert told.all() == before
    for by in BOTH:
        events = [event for kind, host, event, _ in before if kind == by and host == other.name]
        assert events == ["not-ready", "all-clear", "takeover", "not-ready", "all-clear"]
    pair.finish(other, clean=active)


def test_a_command_that_fails_or_hangs_keeps_nobody_waiting(pair: Pair) -> None:
    active = pair.active
    script(active, "#!/bin/sh\necho broken >&2\nexit 7\n")
    done = active.run(("nvkeep", "notify", "--test"), check=False)
    assert done.returncode == 1
    assert f"pg: test: `{TELL}` ended with 7: broken; nvkeep notify --test" in done.stdout
    for server in pair.lab:
        script(server, "#!/bin/sh\nsleep 60\n")
    active.power_cut()
    pair.wait_serving(pair.other)
    pair.more_rows()
    active.power_on()
    pair.wait_ready(active)
    pair.finish(pair.other, clean=active)
