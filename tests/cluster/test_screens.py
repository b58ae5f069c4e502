"""What an administrator sees, compared with what is so: status, history, what-if, plans, rehearsals, the page. Needs root."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from lab import remote
from lab.commands import until
from lab.databases import Database
from lab.pace import REACHABLE_S
from lab.steady import boottime
from nvkeep.model.summary import EXIT, Summary
from tests.cluster.conftest import Pair
from tests.cluster.stage import MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.cluster import Lab
    from lab.server import Server

TIMING = "reconcile: 4, step: 20, cooldown: 5"
NAMES = ("srv-a", "srv-b")
PG = Database(more=("health: {postgresql: 5432}", "rto: 30"))
HEARD_EVERY = 2.0  # seconds: far longer than from one question of the watching host to the next
PLAN, PAGE = "/root/plan.json", "/root/page.html"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with remote.lab(PG, NAMES, TIMING) as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> Pair:
    return Pair(lab)


def longest_wait(pair: Pair) -> tuple[float, float]:
    """Give the times of the two rows between which the client waited longest, in seconds since boot."""
    times = (when for _, when in pair.writer.result().acks)
    return max(pairwise(times), key=lambda two: two[1] - two[0])


def screen(server: Server) -> list[str]:
    return server.run(("nvkeep", "status"), check=False, timeout=60).stdout.splitlines()


def program(server: Server) -> dict[str, Any]:
    printed = server.run(("nvkeep", "status", "--all", "--json"), check=False, timeout=60).stdout
    return dict(json.loads(printed)["services"]["pg"])


def test_a_healthy_pair_is_the_same_from_both_hosts(pair: Pair) -> None:
    for server in pair.lab:
        done = server.run(("nvkeep", "status"), timeout=60)
        lines = done.stdout.splitlines()
        assert lines[0] == "ok: the service is served, and another host can take over", done.stdout
        assert f"pg: ok: served by {pair.active.name}; {pair.other.name} can take over" in lines
        assert f"    [OK] SERVICE: {PG.unit}" in lines
        assert any(line.startswith("  here since 20") for line in lines), done.stdout
        assert program(server)["served_by"] == [pair.active.name]
    pair.finish(pair.active, clean=pair.other)


def test_a_power_cut_runs_what_was_predicted_and_is_kept_as_it_was(pair: Pair) -> None:
    said = pair.other.run(("nvkeep", "plan", "--if", f"{pair.active.name}=down"), timeout=60).stdout
    predicted = [line.strip() for line in said.splitlines() if line.startswith(" " * 11)]
    assert predicted, said
    pair.active.power_cut()
    cut, heir = boottime(), pair.other
    pair.wait_serving(heir)
    pair.more_rows()
    entries = json.loads(heir.run(("nvkeep", "history", "pg", "--json")).stdout)
    entry = next(entry for entry in reversed(entries) if entry["did"] == "seize")
    ran = [command for step in entry["steps"] for command in step["ran"]]
    assert [command for command in ran if "announce" not in command] == [line for line in predicted if "announce" not in line]
    last, first = longest_wait(pair)
    MEASURED.append(f"power cut: the client waited {first - last:.2f} s, nvkeep history says {entry['outage']:.2f} s")
    # By the clock of all: it answered after its unit was started, and before the client had a row; it was away since the last
    # answer that the other host heard, which was before the cut, and not long before the client's last row.
    begun = next(step["begun"] for step in entry["steps"] if step["key"].startswith("service "))
    answered = entry["began"] + entry["answered"]
    assert entry["began"] + begun <= answered <= first
    assert answered - cut <= entry["outage"] <= answered - last + HEARD_EVERY
    drawn = heir.run(("nvkeep", "history", entry["id"])).stdout
    assert "volume vol1" in drawn
    assert "settled" in drawn
    assert heir.run(("nvkeep", "replay", entry["id"])).stdout.endswith("the same decision\n")
    dead = pair.active
    lines = screen(heir)
    assert lines[0].startswith(f"degraded: pg: served by {heir.name}; {dead.name}: cannot reach {dead.name} over ssh"), lines
    assert program(heir)["hosts"][dead.name].keys() == {"unheard"}
    dead.power_on()
    pair.wait_ready(dead)
    pair.finish(heir, clean=dead)


@pytest.mark.parametrize(
    ("order", "end", "word"),
    [
        (("maintenance", "pg", "--for", "1h", "--reason", "a test"), ("maintenance", "pg", "--end"), Summary.MAINTENANCE),
        (("standby", "--force", "--reason", "a test"), ("activate",), Summary.STANDBY),
    ],
)
def test_an_order_is_the_first_line(pair: Pair, order: tuple[str, ...], end: tuple[str, ...], word: Summary) -> None:
    server = pair.other if word is Summary.STANDBY else pair.active
    server.run(("nvkeep", *order), timeout=90)
    done = pair.active.run(("nvkeep", "status"), check=False, timeout=60)
    assert done.stdout.startswith(f"{word}: pg: "), done.stdout
    assert "a test" in done.stdout
    assert done.returncode == EXIT[word]
    server.run(("nvkeep", *end), timeout=90)
    pair.wait_ready(pair.other)
    pair.finish(pair.active, clean=pair.other)


def test_a_kept_plan_is_done_unless_anything_has_changed(pair: Pair) -> None:
    active = pair.active
    active.run(("systemctl", "stop", "nvkeep-reconcile.timer"))
    active.run(("systemctl", "kill", "-s", "STOP", "nvkeep.service"))  # else the agent mends it first
    try:
        active.run(("systemctl", "stop", PG.unit), timeout=60)
        planned = active.run(("nvkeep", "plan", "-o", PLAN), check=False)
        assert planned.returncode == 2
        assert f"systemctl start --no-block -- {PG.unit}" in planned.stdout
        assert planned.stderr == f"kept in {PLAN}; to do it: nvkeep apply {PLAN}\n"
        assert active.run(("nvkeep", "apply", PLAN), timeout=60).returncode == 0
        assert PG.serves(active)
        again = active.run(("nvkeep", "apply", PLAN), check=False, timeout=60)
        assert again.returncode == 2
        assert f"service {PG.unit} is another one than when {PLAN} was made; nvkeep plan -o {PLAN}" in again.stderr
    finally:
        active.run(("systemctl", "kill", "-s", "CONT", "nvkeep.service"))
        active.run(("systemctl", "start", "nvkeep-reconcile.timer"))
    pair.finish(active, clean=pair.other)


def test_why_and_what_would_change_it(pair: Pair) -> None:
    said = pair.other.run(("nvkeep", "explain", "pg")).stdout
    assert "line 8: rest: " in said
    assert "  role MASTER: line " in said
    pair.finish(pair.active, clean=pair.other)


def test_a_rehearsal_measures_what_a_client_sees_and_is_kept_as_evidence(pair: Pair) -> None:
    done = pair.active.run(("nvkeep", "rehearse", "pg", "--back"), timeout=180)
    away = [float(seconds) for seconds in re.findall(r"away for ([\d.]+) s", done.stdout)]
    assert len(away) == 2, done.stdout
    assert "pg: within rto: 30 s" in done.stdout
    until(lambda: any("rehearsed" in line for line in screen(pair.active)), within=20, what="it")
    (line,) = [line for line in screen(pair.active) if line.startswith("  rehearsed ")]
    assert line.endswith("same configuration")
    gap = pair.writer.result().longest_gap_seconds
    MEASURED.append(f"rehearsal: away {away[0]:.2f} and {away[1]:.2f} s; its own client waited {gap:.2f} s at most")
    # The lab's client may send its question just before the address is up; it waits so long for the answer that never comes.
    assert 0.8 * (gap - REACHABLE_S) <= max(away) <= 1.2 * gap
    pair.finish(pair.active, clean=pair.other)


def test_the_page_says_the_same(pair: Pair) -> None:
    pair.active.run(("nvkeep", "report", "--html", PAGE), timeout=60)
    page = pair.active.read(PAGE)
    assert '<span class="word ok">ok</span> the service is served, and another host can take over' in page
    assert f"<strong>{pair.other.name}</strong>" in page
    assert "ready to take over" in page
    pair.finish(pair.active, clean=pair.other)
