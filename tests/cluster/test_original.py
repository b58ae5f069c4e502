"""The original's commands where things are not as they should be: stuck, served elsewhere, asked twice. Needs root.

Its procedures, typed as they are documented, are sessions of docs/operations.md (test_operations.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import databases, protected
from lab.cluster import Lab
from lab.commands import until
from lab.databases import Database
from lab.network import FLOATING
from tests.cluster.conftest import Pair, assert_clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from subprocess import CompletedProcess

    from lab.server import Server

COMMANDS = ("nvkeep_apply_config", "nvkeep_check_status", "nvkeep_clean_shutdown", "nvkeep_manual_startup")
DONE, ERRORS = "All done.", "All done, but errors were encountered."
QUIET = 0.5  # seconds: the longest gap where nothing may move


PG = Database(more=("holders: none", "health: {postgresql: 5432}"))
TIMING = "reconcile: 4, step: 10"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(PG.hosts, config=databases.config((PG,), PG.hosts, timing=TIMING), prepare=protected.prepare) as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> Pair:
    return Pair(lab)


def typed(server: Server, *words: str) -> CompletedProcess[str]:
    return server.run(words, check=False, timeout=150)


def moves(pair: Pair) -> list[str]:
    return pair.lab.storage.moves("vol1")


def kept(server: Server) -> str:
    """Name the option that means the service, which prefers srv-a."""
    return "-l" if server.name == "srv-a" else "-p"


def squat(server: Server) -> None:
    """Let somebody's shell stand in the file system, whom nobody may end."""
    server.run(("systemd-run", "--unit=squatter", f"--working-directory={protected.PATH}", "/usr/bin/sleep", "8888"))


def lines(done: CompletedProcess[str]) -> Sequence[str]:
    return [line.strip() for line in done.stdout.splitlines()]


def test_each_is_installed_and_explains_itself(pair: Pair) -> None:
    for command in COMMANDS:
        done = typed(pair.active, command, "-h")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: {command} ")
        assert typed(pair.active, command, "--nonsense").returncode == 2
    pair.finish(pair.active, clean=pair.other)


def test_only_the_part_that_is_asked_for(pair: Pair) -> None:
    server = pair.active
    wrong = "-p" if kept(server) == "-l" else "-l"
    before = len(moves(pair))
    for command, nothing in (("nvkeep_clean_shutdown", [DONE]), ("nvkeep_manual_startup", [DONE])):
        done = typed(server, command, wrong)
        assert (done.returncode, lines(done), done.stderr) == (0, nothing, "")
    done = typed(server, "nvkeep_manual_startup")
    assert (done.returncode, lines(done)) == (0, ["* All of pg is here already", DONE])
    result = pair.finish(server, clean=pair.other)
    assert moves(pair)[before:] == []
    assert result.longest_steady_gap < QUIET


def test_nothing_is_taken_from_a_host_that_serves(pair: Pair) -> None:
    server, other, before = pair.active, pair.other, len(moves(pair))
    done = typed(other, "nvkeep_manual_startup", kept(other))
    assert done.returncode == 1
    assert f"pg: {server.name} serves it, and it stays there; to have it here: nvkeep move pg --to {other.name}" in done.stderr
    assert ERRORS in done.stderr
    result = pair.finish(server, clean=other)
    assert moves(pair)[before:] == []
    assert result.longest_steady_gap < QUIET


def test_what_is_broken_is_named_and_what_should_not_be_here_is_not(pair: Pair) -> None:
    server, other = pair.active, pair.other
    other.run(("systemctl", "stop", "keepalived"))  # or it would take over
    server.run(("systemctl", "stop", "nvkeep-reconcile.timer", "nvkeep-reconcile.service", "nvkeep.service"))  # or it is fixed
    server.run(("systemctl", "stop", protected.UNIT))
    server.run(("ip", "addr", "del", f"{FLOATING}/24", "dev", "host0"))
    done = typed(server, "nvkeep_check_status")
    assert done.returncode == 1
    assert "[OK] VOLUME: vol1" in lines(done)
    assert any(line.startswith(f"[NOT OK] SERVICE: {protected.UNIT}") for line in lines(done))
    assert any(line.startswith(f"[NOT OK] FLOATING IP: host0 {FLOATING}/24") for line in lines(done))
    server.run(("systemctl", "start", "nvkeep.service", "nvkeep-reconcile.timer"))
    pair.wait_serving(server)
    other.run(("systemctl", "start", "keepalived"))
    pair.wait_ready(other)
    done = typed(other, "nvkeep_check_status")
    assert done.returncode == 0
    assert "NOT OK" not in done.stdout
    pair.finish(server, clean=other)


def test_what_is_stuck_keeps_its_volume_and_says_so(pair: Pair) -> None:
    server, other, before = pair.active, pair.other, len(moves(pair))
    squat(server)
    done = typed(server, "nvkeep_clean_shutdown")
    assert done.returncode == 1
    assert DONE not in lines(done)
    assert ERRORS in done.stderr
    assert "squatter.service" in done.stderr
    assert f"{server.name} detach" not in moves(pair)[before:]
    assert server.run(("systemctl", "is-active", "keepalived")).stdout.strip() == "active"
    server.run(("systemctl", "stop", "squatter"))
    again = typed(server, "nvkeep_clean_shutdown")
    assert (again.returncode, again.stderr) == (0, "")
    assert_clean(server)
    assert server.run(("systemctl", "is-active", "keepalived"), check=False).stdout.strip() == "inactive"
    pair.wait_serving(other)
    server.run(("systemctl", "start", "keepalived"))
    pair.wait_ready(server)
    pair.finish(other, clean=server)


def test_a_host_that_release_stands_away_until_another_has_served(pair: Pair) -> None:
    """Both are told to release while keepalived runs: nobody serves, until somebody starts it by hand."""
    server, other, before = pair.active, pair.other, len(moves(pair))
    assert typed(other, "nvkeep_clean_shutdown", kept(other)).returncode == 0  # it has nothing: another serves
    pair.wait_ready(other)
    other.run(("systemctl", "stop", "keepalived"))
    assert typed(server, "nvkeep_clean_shutdown", "-l", "-p").returncode == 0
    for _ in range(3):
        server.run(("nvkeep", "apply"), check=False)
        assert_clean(server)
    done = typed(server, "nvkeep_check_status")
    assert "it was moved away by hand" in done.stdout
    assert "nvkeep start pg --here" in done.stdout
    assert typed(server, "nvkeep_manual_startup").returncode == 0
    other.run(("systemctl", "start", "keepalived"))
    pair.wait_ready(other)
    pair.finish(server, clean=other)
    assert moves(pair)[before:] == [f"{server.name} detach", f"{server.name} plain"]


def test_killed_in_the_middle_the_next_one_goes_on(pair: Pair) -> None:
    server, other = pair.active, pair.other
    server.run(("sh", "-c", "timeout --signal=KILL 0.6 nvkeep_clean_shutdown -l -p"), check=False)
    done = typed(server, "nvkeep_clean_shutdown", "-l", "-p")
    assert (done.returncode, lines(done)[-1]) == (0, DONE)
    until(lambda: protected.serves(other), within=30, what=f"{other.name} does not serve")
    pair.wait_ready(server)
    pair.finish(other, clean=server)
