"""What has to be the same on both servers, compared over real ssh, and `nvkeep status`. Needs root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lab import databases, protected, remote
from lab.cluster import Lab
from lab.commands import until
from lab.databases import Database
from tests.cluster.conftest import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

PG = Database(more=("agree: [/etc/exports]",))
CODE = "/usr/lib/nvkeep/current/nvkeep/__init__.py"
YAML = "/etc/nvkeep/cluster.yaml"
CONF = "/etc/keepalived/nvkeep.conf"
OURS, OTHERS = "echo '/srv 10.0.0.0/8' > /etc/exports", "echo '/srv *' > /etc/exports"
SPOILS = {
    "a listed file": (OTHERS, OURS, "/etc/exports differs between"),
    "a listed file is missing": ("rm /etc/exports", OURS, "/etc/exports is missing on"),
    "cluster.yaml": (
        f"sed -i 's/cooldown: 33/cooldown: 44/' {YAML}",
        f"sed -i 's/cooldown: 44/cooldown: 33/' {YAML}",
        f"{YAML} differs between",
    ),
    "the version of nvkeep": (
        f"sed -i 's/__version__ = \"/&9./' {CODE}",
        f"sed -i 's/__version__ = \"9./__version__ = \"/' {CODE}",
        "nvkeep differs: ",
    ),
    "keepalived's configuration": (
        f"sed -i 's/nopreempt/preempt/' {CONF}",
        f"sed -i 's/preempt/nopreempt/' {CONF}",
        "is not as generated",
    ),
}


LATEST = 155.0  # seconds until every server knows of a change, whatever was changed or asked just before (docs/readiness.md)


def prepare(server: Server) -> None:
    protected.prepare(server)
    remote.enable(server, PG.hosts)
    server.write("/etc/exports", "/srv 10.0.0.0/8\n")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    config = databases.config((PG,), PG.hosts, timing="reconcile: 4, cooldown: 33")
    with Lab(PG.hosts, config=config, prepare=prepare) as lab:
        yield Pair(lab)


def everywhere(server: Server) -> tuple[int, str]:
    done = server.run(("nvkeep", "status"), check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


def programs(server: Server) -> tuple[int, dict[str, Any]]:
    done = server.run(("nvkeep", "status", "--all", "--json"), check=False, timeout=60)
    return done.returncode, json.loads(done.stdout)


def wait_agreed(pair: Pair) -> None:
    """Wait until all is well everywhere; each server goes by its own last comparison, so each compares."""
    until(lambda: [everywhere(server)[0] for server in pair.lab] == [0, 0], within=40, what="they do not agree", every=0.5)


def test_equal_servers_agree_and_one_look_shows_both(pair: Pair) -> None:
    wait_agreed(pair)
    active, other = pair.active.name, pair.other.name
    for server in pair.lab:
        code, said = everywhere(server)
        lines = said.splitlines()
        assert code == 0
        assert lines[0] == "ok: the service is served, and another host can take over"
        assert f"pg: ok: served by {active}; {other} can take over" in lines
        assert any(line.startswith(f"  {active}: ok, role MASTER; last pass ") for line in lines)
        assert any(line.startswith(f"  {other}: ok, role BACKUP, ready to take over; last pass ") for line in lines)
        assert lines[-1] == f"  {server.name} and {(other if server is pair.active else active)} agree"
        code, told = programs(server)
        assert code == 0
        assert told["services"]["pg"]["served_by"] == [active]
        assert set(told["services"]["pg"]["hosts"]) == {active, other}
        assert [one["differs"] for one in told["agreement"].values()] == [[]]


@pytest.mark.parametrize("name", SPOILS)
def test_what_differs_is_named_and_makes_it_degraded(pair: Pair, name: str) -> None:
    spoil, fix, text = SPOILS[name]
    server = pair.other
    server.run(("sh", "-c", spoil))
    try:
        code, said = everywhere(pair.active)
        assert code == 1
        (line,) = [line.strip() for line in said.partition("agreement\n")[2].splitlines() if text in line]
        assert server.name in line
        assert "; ssh " in line
        done = pair.active.run(("nvkeep", "status", "--local"), check=False)  # by the record
        assert done.returncode == 1
        assert "pg on " in done.stdout
        assert ": degraded" in done.stdout
        assert f"  {line}" in done.stdout.splitlines()
    finally:
        server.run(("sh", "-c", fix))
    wait_agreed(pair)


def differs(server: Server) -> bool:
    """Return whether a server knows, by its record, that the listed file differs."""
    return "! /etc/exports differs" in server.run(("nvkeep", "agreement"), check=False).stdout


def test_the_agent_compares_by_itself(pair: Pair) -> None:
    pair.other.run(("sh", "-c", OTHERS))
    try:
        for server in pair.lab:
            until(lambda server=server: differs(server), within=LATEST, what=f"{server.name} did not compare", every=2)  # type: ignore[misc]
    finally:
        pair.other.run(("sh", "-c", OURS))
    wait_agreed(pair)


def test_a_server_that_cannot_be_reached_is_said_and_is_no_disagreement(pair: Pair) -> None:
    server = pair.other
    server.run(("systemctl", "stop", "ssh.service"))
    try:
        code, said = everywhere(pair.active)
        assert code == 1
        assert f"  {server.name}: unknown: cannot reach {server.name} over ssh: " in said
        assert f"not compared with {server.name} for " in said.splitlines()[-1]
        assert pair.active.run(("nvkeep", "status", "--local"), check=False).returncode == 0
        line = f"  . not compared with {server.name} for "  # a comparison by the agent, from before, may end only now
        until(
            lambda: line in pair.active.run(("nvkeep", "status", "--local"), check=False).stdout,
            within=75,
            what="it is not said",
        )
    finally:
        server.run(("systemctl", "start", "ssh.service"))
    wait_agreed(pair)


def test_setting_up_ends_a_difference_at_once(pair: Pair) -> None:
    server = pair.active
    for before, after in ((33, 44), (44, 33)):
        server.run(("sed", "-i", f"s/cooldown: {before}/cooldown: {after}/", YAML))
        assert f"{YAML} differs between" in everywhere(server)[1]
        server.run(("nvkeep", "setup", "--yes"), timeout=150)
        assert "differs" not in server.run(("nvkeep", "agreement"), check=False).stdout  # by the record
    wait_agreed(pair)


def test_a_disagreement_keeps_nobody_from_taking_over(pair: Pair) -> None:
    dead, heir = pair.active, pair.other
    heir.run(("sh", "-c", OTHERS))
    assert everywhere(heir)[0] == 1
    dead.power_cut()
    until(lambda: protected.serves(heir), within=40, what="nobody took over")
    dead.power_on()
    heir.run(("sh", "-c", OURS))
    pair.wait_ready(dead)
    wait_agreed(pair)
    result = pair.finish(heir, clean=dead)
    assert pair.taken() == [f"{heir.name} preempt"]
    assert result.longest_steady_gap < 8
