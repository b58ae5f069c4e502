"""What one does by hand, over real ssh: never a seize, and no acknowledged row is lost. Needs root."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import pytest

from lab import remote, steady
from lab.commands import until
from lab.databases import Database
from lab.steady import boottime
from tests.cluster.conftest import Pair, assert_clean
from tests.cluster.stage import MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.cluster import Lab

TIMING = "reconcile: 4, step: 20, cooldown: 5"
NAMES = ("srv-a", "srv-b")
PG = Database(more=("health: {postgresql: 5432}", 'failback: {window: "00:00-00:00"}'))
QUIET = 0.5  # seconds: the longest gap where nothing may move
OWN = 0.5  # seconds a move may take beside the unit's own stop and start
ORDERED = 4  # the exit code of `nvkeep status` where something was ordered by hand


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with remote.lab(PG, NAMES, TIMING) as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> Pair:
    for server in lab:  # before each test: a reboot starts it again
        server.run(("systemctl", "stop", "nvkeep-failback.timer"))  # it is time all day: the tests say when
    return Pair(lab)


@pytest.fixture
def home(pair: Pair) -> Pair:
    """Have the preferred server serve."""
    return pair if pair.active.name == NAMES[0] else moved(pair, NAMES[0])


def moved(pair: Pair, to: str) -> Pair:
    pair.active.run(("nvkeep", "move", "pg", "--to", to), timeout=90)
    pair.writer.stop()
    return Pair(pair.lab)


def moves(pair: Pair) -> list[str]:
    return pair.lab.storage.moves(PG.volume, 0.0)


def unit_times(pair: Pair, since: str) -> dict[str, float]:
    """Give when PostgreSQL began to stop, had stopped, began to start and had started, in seconds, by systemd's words."""
    asked = ("journalctl", "-u", PG.unit, "--since", since, "-o", "short-unix", "--no-pager", "-q")
    words = {pair.active: ("Stopping", "Stopped"), pair.other: ("Starting", "Started")}
    lines = [(word, line) for server, said in words.items() for line in server.run(asked).stdout.splitlines() for word in said]
    return {word: float(line.split()[0]) for word, line in lines if f" {word} " in line}


def lasted(at: dict[str, float], begun: str, ended: str) -> float:
    """Give the steady seconds between two lines of the journal, whose clock is the wall's."""
    epoch = time.time() - boottime()
    return steady.seconds(at[begun] - epoch, at[ended] - epoch)


def handed_over(pair: Pair, before: int) -> None:
    """Assert that the volume was released before it was taken, and taken without a seize."""
    assert moves(pair)[before:] == [f"{pair.active.name} detach", f"{pair.other.name} plain"]


def test_a_move_takes_what_the_unit_takes_and_half_a_second(pair: Pair) -> None:
    """Twice there and back, typed here and there; nvkeep's own part is the median of the four."""
    took, outages = [], []
    for typed_on in ("active", "other", "active", "other"):
        before, since = len(moves(pair)), pair.active.run(("date", "+%Y-%m-%d %H:%M:%S.%6N")).stdout.strip()
        done = getattr(pair, typed_on).run(("nvkeep", "move", "pg", "--to", pair.other.name), timeout=90)
        assert f"{pair.other.name} serves it; outage" in done.stdout
        outages.append(pair.finish(pair.other, clean=pair.active).longest_steady_gap)
        handed_over(pair, before)
        took.append(unit_times(pair, since))
        pair.wait_ready(pair.active)
        pair = Pair(pair.lab)
    own = [lasted(at, "Stopped", "Starting") for at in took]
    MEASURED.append(f"move: outages {seconds(outages)}; from the unit's stop to its start {seconds(own)}")
    assert median(own) < OWN
    unit = [lasted(at, "Stopping", "Stopped") + lasted(at, "Starting", "Started") for at in took]
    assert median(outages) < median(unit) + OWN


def seconds(found: list[float]) -> str:
    return ", ".join(f"{one:.2f} s" for one in found)


def test_to_a_host_that_cannot_start_it_is_taken_back(pair: Pair) -> None:
    broken, before = pair.other, len(moves(pair))
    broken.write(f"/run/systemd/system/{PG.unit}.d/broken.conf", "[Service]\nExecStartPre=/bin/false\n")
    broken.run(("systemctl", "daemon-reload"))
    done = pair.active.run(("nvkeep", "move", "pg", "--to", broken.name), timeout=120, check=False)
    assert done.returncode == 1
    assert f"{broken.name} could not serve it" in done.stderr
    result = pair.finish(pair.active, clean=broken)
    assert "preempt" not in " ".join(moves(pair)[before:])
    MEASURED.append(f"move to a host that cannot start it: outage {result.longest_gap_seconds:.2f} s")
    broken.path(f"/run/systemd/system/{PG.unit}.d/broken.conf").unlink()
    broken.run(("systemctl", "daemon-reload"))
    broken.run(("nvkeep", "reset", "pg"), check=False)
    pair.wait_ready(broken)


def test_a_standby_hands_over_and_serves_nothing_until_it_is_activated(pair: Pair) -> None:
    server, other, before = pair.active, pair.other, len(moves(pair))
    done = server.run(("nvkeep", "standby", "--reason", "new disks"), timeout=90)
    assert "nothing of it is left here" in done.stdout
    pair.wait_serving(other)
    status = server.run(("nvkeep", "status", "--local"), check=False)
    assert status.returncode == ORDERED
    assert "this host is on standby" in status.stdout.splitlines()[1] + status.stdout.splitlines()[2]
    assert "new disks; nvkeep activate" in status.stdout
    server.reboot()
    assert server.run(("nvkeep", "status", "--local"), check=False).returncode == ORDERED
    server.run(("nvkeep", "activate"))
    pair.wait_ready(server)
    result = pair.finish(other, clean=server)
    handed_over(pair, before)
    MEASURED.append(f"standby: outage {result.longest_gap_seconds:.2f} s")


def test_a_standby_of_another_host(pair: Pair) -> None:
    server, other, before = pair.active, pair.other, len(moves(pair))
    other.run(("nvkeep", "standby", server.name, "--reason", "from afar"), timeout=90)
    pair.wait_serving(other)
    assert "by root on" in server.run(("nvkeep", "status", "--local"), check=False).stdout
    other.run(("nvkeep", "activate", server.name), timeout=60)
    pair.wait_ready(server)
    pair.finish(other, clean=server)
    handed_over(pair, before)


def test_manually_nothing_moves_back_and_in_its_window_the_service_comes_home(home: Pair) -> None:
    away = moved(home, NAMES[1])
    server, before = away.other, len(moves(away))
    away.wait_ready(server)
    server.run(("systemctl", "start", "nvkeep-failback.service"), timeout=120)
    away.wait_serving(server)
    result = away.finish(server, clean=away.active)
    handed_over(away, before)
    MEASURED.append(f"failback: outage {result.longest_gap_seconds:.2f} s")
    manual = moved(Pair(away.lab), NAMES[1])
    before = len(moves(manual))
    for one in manual.lab:
        config = one.read("/etc/nvkeep/cluster.yaml")
        one.write("/etc/nvkeep/cluster.yaml", config.replace('{window: "00:00-00:00"}', "manual"))
    server.run(("rm", "-f", "/var/lib/nvkeep/failback/pg"))
    manual.wait_ready(server)  # it is the policy that keeps it away
    server.run(("systemctl", "start", "nvkeep-failback.service"), timeout=120)
    result = manual.finish(manual.active, clean=server)
    assert moves(manual)[before:] == []
    assert result.longest_steady_gap < QUIET


def test_in_maintenance_nothing_is_healed_and_nothing_moves_until_it_ends(pair: Pair) -> None:
    server, before = pair.active, len(moves(pair))
    server.run(("nvkeep", "maintenance", "pg", "--for", "2h", "--reason", "vacuum full"), timeout=60)
    for one in pair.lab:
        assert one.run(("nvkeep", "status", "--local"), check=False).returncode == ORDERED
    server.run(("systemctl", "stop", PG.unit))
    server.run(("systemctl", "restart", "keepalived.service"))
    for one in pair.lab:
        for _ in range(3):
            one.run(("nvkeep", "apply", "pg"), check=False)
    assert not PG.active(server)
    assert_clean(pair.other)
    pair.other.run(("nvkeep", "maintenance", "pg", "--end"), timeout=60)
    pair.wait_serving(server)
    pair.finish(server, clean=pair.other)
    assert moves(pair)[before:] == []
    pair.wait_ready(pair.other)


def test_stopped_nobody_serves_it_and_started_somebody_does(pair: Pair) -> None:
    before = len(moves(pair))
    pair.other.run(("nvkeep", "stop", "pg", "--reason", "nobody needs it"), timeout=90)
    for server in pair.lab:
        assert_clean(server)
    pair.active.reboot()
    for server in pair.lab:
        server.run(("nvkeep", "apply", "pg"), check=False)
        assert_clean(server)
    pair.active.run(("nvkeep", "start", "pg"), timeout=90)
    until(lambda: any(PG.serves(server) for server in pair.lab), within=30, what="nobody serves it")
    serving = next(server for server in pair.lab if PG.serves(server))
    other = next(server for server in pair.lab if server is not serving)
    pair.finish(serving, clean=other)
    assert "preempt" not in " ".join(moves(pair)[before:])


def test_a_host_that_nobody_can_replace_is_not_put_on_standby_and_moves_nothing(pair: Pair) -> None:
    pair.other.run(("nvkeep", "standby"), timeout=60)
    for words in (("standby",), ("move", "pg")):
        done = pair.active.run(("nvkeep", *words), check=False, timeout=60)
        assert done.returncode == 1
        assert f"pg stays where it is: {pair.other.name} may not take it: this host is on standby" in done.stderr
    pair.other.run(("nvkeep", "activate"))
    pair.wait_ready(pair.other)
    result = pair.finish(pair.active, clean=pair.other)
    assert result.longest_steady_gap < QUIET


def test_a_peer_that_cannot_be_told_stops_nothing(pair: Pair) -> None:
    pair.other.run(("systemctl", "stop", "ssh.service"))
    for words in (("stop", "pg"), ("maintenance", "pg", "--for", "1h", "--reason", "x")):
        done = pair.active.run(("nvkeep", *words), check=False, timeout=60)
        assert done.returncode == 1
        assert f"ssh {pair.other.name} true" in done.stderr
    pair.other.run(("systemctl", "start", "ssh.service"))
    result = pair.finish(pair.active, clean=pair.other)
    assert result.longest_steady_gap < QUIET
