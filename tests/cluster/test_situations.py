"""Each situation that `nvkeep status` has a word for, made on the lab: every fact on it, and who is told. Needs root."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from lab import databases, places, remote
from lab.cluster import Lab
from lab.commands import until
from lab.databases import Database
from nvkeep.model.summary import EXIT, Summary
from tests.cluster.conftest import Pair
from tests.cluster.notices import NOTIFY, Told, prepare
from tests.cluster.stage import says
from tests.cluster.test_busy import keep_away, let_take, squat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

PG = Database(more=("health: {postgresql: 5432}",))
TIMING = "reconcile: 2, step: 60, cooldown: 2"
VALIDATOR = Draft202012Validator(json.loads((places.REPOSITORY / "docs/status.schema.json").read_text()))
TITLES = {"volume": "VOLUME", "mount": "MOUNTPOINT", "address": "FLOATING IP", "unit": "SERVICE"}
DROP_IN = f"/etc/systemd/system/{PG.unit}.d/trouble.conf"
SLOW, BROKEN = "ExecStartPre=+/bin/sleep 30", "ExecStartPre=/bin/false"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    def both(server: Server) -> None:
        prepare(server)
        remote.enable(server, PG.hosts)

    with Lab(PG.hosts, config=databases.config((PG,), PG.hosts, timing=TIMING) + NOTIFY, prepare=both) as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> Pair:
    return Pair(lab)


@pytest.fixture
def told(pair: Pair) -> Iterator[Told]:
    for server in pair.lab:  # what the test before has left to tell
        until(partial(calm, server), within=90, what=f"{server.name} has something to tell")
    with Told(pair.lab) as receives:
        yield receives


def calm(server: Server) -> bool:
    """Return whether a server has told of everything, and knows of no trouble."""
    record = json.loads(server.read("/var/lib/nvkeep/notified/pg"))
    return bool(record == {"trouble": "", "serving": PG.serves(server)})


def drop_in(server: Server, line: str) -> None:
    """Put a line into the unit of the service, or take it out again (empty)."""
    server.write(DROP_IN, f"[Service]\n{line}\n")
    server.run(("systemctl", "daemon-reload"))


def unheard(server: Server) -> bool:
    """Return whether nobody can log in: it has no power, is frozen, or has no sshd."""
    return not server.awake or server.run(("systemctl", "is-active", "ssh.service"), check=False).returncode != 0


@contextmanager
def unheard_of(pair: Pair, server: Server) -> Iterator[None]:
    """Let no advert of or for a server through, as a switch does that forwards nothing."""
    pair.lab.network.cut(server.name, "hb0", keep_carrier=True)
    try:
        yield
    finally:
        pair.lab.network.heal(server.name, "hb0")


def reach(server: Server, word: Summary) -> None:
    """Wait until a server says the word itself."""
    until(partial(says, server, PG, word), within=90, what=f"{server.name} does not say {word}", every=0.2)


def look(pair: Pair, asking: Server, word: Summary) -> list[str]:
    """Read every form of the status on a server, compare each fact in it with the lab, and give the screen."""
    before = truth(pair)
    done = asking.run(("nvkeep", "status"), check=False, timeout=60)
    everywhere = printed(asking, "--all")
    (here,) = printed(asking)
    assert truth(pair) == before, "it has moved while it was looked at"
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{word}: pg: "), done.stdout
    assert done.returncode == EXIT[word]
    service = everywhere["services"]["pg"]
    assert service["summary"] == word
    assert service["served_by"] == [name for name in before if before[name] and pair.lab.storage.holder() == name]
    assert list(service["hosts"]) == list(PG.hosts)
    for server in pair.lab:
        compare(service["hosts"][server.name], server, before[server.name])
    compare(here, asking, before[asking.name])
    return lines


def printed(server: Server, *words: str) -> Any:  # noqa: ANN401 - JSON
    """Read the status as a program does; it is what the schema says."""
    found = json.loads(server.run(("nvkeep", "status", "--json", *words), check=False, timeout=60).stdout)
    VALIDATOR.validate(found)
    return found


def truth(pair: Pair) -> dict[str, set[str]]:
    """See what is where: by the kernel, systemd and the storage of the lab."""
    return {server.name: {TITLES[what] for what in PG.left(server)} if server.awake else set() for server in pair.lab}


def compare(status: dict[str, Any], server: Server, there: set[str]) -> None:
    """Assert that what is called well is there, and what is called absent is not."""
    assert ("unheard" in status) == unheard(server)
    for line in status.get("lines", ()):
        if line["mark"] == "[OK]":
            assert line["title"] in there, line
        elif line["mark"] == "[--]" and status["holder_word"] != "me":
            assert line["title"] not in there, line
    assert unheard(server) or {line["title"] for line in status["lines"]} == {*TITLES.values()}


def test_a_split_is_said_by_both_and_told_once(pair: Pair, told: Told) -> None:
    active, other = pair.active, pair.other
    with unheard_of(pair, other):
        told.hear(other, "split")
        for server in pair.lab:
            lines = look(pair, server, Summary.SPLIT)
            assert lines[0].startswith(f"split: pg: served by {active.name}; {other.name}"), lines[0]
    told.hear(other, "all-clear")
    told.hear(other, "split")
    pair.wait_ready(other)
    pair.finish(active, clean=other)


def test_a_host_that_was_frozen_is_unheard_and_then_lost_and_told_once(pair: Pair, told: Told) -> None:
    frozen, heir = pair.active, pair.other
    frozen.freeze()
    with unheard_of(pair, frozen):  # so that it stays fenced once it goes on: it hears nobody
        try:
            pair.wait_serving(heir)
            lines = look(pair, heir, Summary.DEGRADED)
            assert lines[0].startswith(f"degraded: pg: served by {heir.name}; {frozen.name}: "), lines[0]
        finally:
            frozen.thaw()
        reach(frozen, Summary.LOST)
        until(lambda: PG.left(frozen) == [], within=30, what="something is left on the host that was fenced")
        for server in pair.lab:
            lines = look(pair, server, Summary.LOST)
            assert lines[0].startswith(f"lost: pg: served by {heir.name}; {frozen.name}"), lines[0]
        told.hear(frozen, "fenced")
    told.hear(frozen, "all-clear")
    told.hear(frozen, "fenced")
    told.hear(heir, "takeover")
    pair.wait_ready(frozen)
    pair.finish(heir, clean=frozen)


def test_what_blocks_a_release_is_forecast_and_then_stuck_and_told_once(pair: Pair, told: Told) -> None:
    holder, heir = pair.active, pair.other
    squat(holder)
    forecast = holder.run(("nvkeep", "status"), timeout=60).stdout
    assert f"(sleep) of squatter.service works in {PG.path} (would block a release" in forecast
    keep_away(heir)
    holder.run(("systemctl", "stop", "keepalived"))
    reach(holder, Summary.STUCK)
    told.hear(holder, "stuck")
    for server in pair.lab:
        lines = look(pair, server, Summary.STUCK)
        assert lines[0].startswith(f"stuck: pg: {holder.name}: "), lines[0]
        assert any("systemctl stop squatter.service" in line for line in lines), lines
    holder.run(("systemctl", "stop", "squatter.service"))
    until(lambda: PG.left(holder) == [], within=30, what="the next pass did not finish")
    holder.run(("systemctl", "start", "keepalived"))
    let_take(heir)
    told.hear(holder, "stuck")
    pair.finish(pair_end(pair), clean=None)


def pair_end(pair: Pair) -> Server:
    """Wait until one serves and the other stands by, whichever; give the one that serves."""
    until(lambda: sum(map(PG.serves, pair.lab)) == 1, within=60, what="no server serves, or both")
    (serving,) = (server for server in pair.lab if PG.serves(server))
    for server in pair.lab:
        if server is not serving:
            pair.wait_ready(server)
    return serving


def test_a_takeover_is_seen_on_its_way(pair: Pair) -> None:
    dead, heir = pair.active, pair.other
    drop_in(heir, SLOW)
    dead.power_cut()
    reach(heir, Summary.CONVERGING)
    until(lambda: TITLES["address"] in truth(pair)[heir.name], within=10, what="the address is not up")
    lines = look(pair, heir, Summary.CONVERGING)
    assert lines[0].startswith(f"converging: pg: {heir.name}: "), lines[0]
    assert any(PG.unit in line and "[OK]" not in line for line in lines), lines
    pair.wait_serving(heir, within=60)
    drop_in(heir, "")
    dead.power_on()
    pair.wait_ready(dead)
    pair.finish(heir, clean=dead)


def test_a_service_that_does_not_start_is_held_and_told_once(pair: Pair, told: Told) -> None:
    dead, heir = pair.active, pair.other
    drop_in(heir, BROKEN)
    dead.power_cut()
    reach(heir, Summary.HELD)
    told.hear(heir, "held")
    until(lambda: PG.left(heir) == [], within=30, what="something is left where it is held")
    lines = look(pair, heir, Summary.HELD)
    assert lines[0].startswith("held: pg: "), lines[0]
    assert any("nvkeep reset pg" in line for line in lines), lines
    drop_in(heir, "")
    heir.run(("nvkeep", "reset", "pg"))
    pair.wait_serving(heir)
    told.hear(heir, "takeover")
    told.hear(heir, "held")
    dead.power_on()
    pair.wait_ready(dead)
    pair.finish(heir, clean=dead)


def test_a_backup_that_is_not_ready_and_one_that_cannot_be_asked(pair: Pair, told: Told) -> None:
    active, other = pair.active, pair.other
    other.run(("systemctl", "mask", PG.unit))
    told.hear(other, "not-ready")
    for server in pair.lab:
        lines = look(pair, server, Summary.DEGRADED)
        assert lines[0].startswith(f"degraded: pg: served by {active.name}; {other.name} may not take over: "), lines[0]
        assert "masked" in lines[0]
    other.run(("systemctl", "unmask", PG.unit))
    told.hear(other, "all-clear")
    told.hear(other, "not-ready")
    pair.wait_ready(other)
    other.run(("systemctl", "stop", "ssh.service"))
    lines = look(pair, active, Summary.DEGRADED)
    assert lines[0].startswith(f"degraded: pg: served by {active.name}; {other.name}: cannot reach {other.name} over ssh"), (
        lines[0]
    )
    other.run(("systemctl", "start", "ssh.service"))
    pair.finish(active, clean=other)
