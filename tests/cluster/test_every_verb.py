"""Every verb with a wrong argument, on the wrong host, by nobody, twice, while another runs: one line, nothing changed.

What is typed, and how it must end, are the tables of verbs.py. A client writes all the time. Needs root.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import remote
from lab.commands import LabError, until
from lab.databases import Database
from lab.protected import active_server, ready, well
from nvkeep.cli import ORIGINAL, VERBS
from nvkeep.legacy.common import ERRORS
from tests.cluster import verbs
from tests.cluster.conftest import Pair
from tests.cluster.stage import QUIET
from tests.cluster.verbs import CONF, ELSEWHERE, FSTAB, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from subprocess import CompletedProcess

    from lab.cluster import Lab

TIMING = "reconcile: 4, step: 20, cooldown: 5"
NAMES = ("srv-a", "srv-b")
PG = Database(more=("health: {postgresql: 5432}",))
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SAMPLE = Path(__file__).parents[1] / "golden/import"
LOCK, SETUP = "/run/nvkeep/lock/pg", "/run/nvkeep/lock/.setup"
TWICE = (*verbs.LOOKING, *verbs.WAITING, *verbs.TWICE, *verbs.TWICE_MOVING)
BUSY = (*verbs.LOOKING, *verbs.WAITING, *verbs.TWICE_MOVING)
HELD = 1  # seconds a pass holds a service
# A running agent writes how passes went, when, and what it has compared, and a start when; everything else must stay.
STATE = f"""
find /etc/nvkeep /etc/keepalived -type f -printf '%p %i %M %u\\n'
find /etc/nvkeep /etc/keepalived /var/lib/nvkeep /run/nvkeep -type f -not -path '/run/nvkeep/report/*' \
    -not -path '/run/nvkeep/lock/*' -not -path '/run/nvkeep/standing/*' -not -path /run/nvkeep/agreement \
    -not -path /run/nvkeep/asked -not -path /run/nvkeep/answered -not -path '/run/nvkeep/started/*' \
    -not -path /run/nvkeep/roles -not -path '/run/nvkeep/metrics/*' \
    -not -path '/var/lib/nvkeep/history*' -exec sha256sum {{}} +
findmnt -rno TARGET,SOURCE,OPTIONS | grep -v ^/run/
ip -br addr
systemctl show -p Id,ActiveState,UnitFileState,MainPID nvkeep.service nvkeep-reconcile.timer nvkeep-shutdown.service \
    nvkeep-failback.timer keepalived.service {PG.unit} | paste -sd ' '
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with remote.lab(PG, NAMES, TIMING) as made:
        a = made["srv-a"]
        a.write(ELSEWHERE, a.read("/etc/nvkeep/cluster.yaml").replace("srv-", "other-"))
        a.write(CONF, (SAMPLE / "nfs.nvkeep_service.conf").read_text())
        a.write(FSTAB, (SAMPLE / "nfs.fstab").read_text())
        Pair(made).writer.stop()
        a.run(("nvkeep", "setup", "--yes"), timeout=60)  # enables what the lab does without
        yield made


@pytest.fixture(scope="module")
def home(lab: Lab) -> Pair:
    """Have srv-a serve, srv-b stand by, and a client write: for all the tests in which nothing may move."""
    lab[NAMES[0]].run(("nvkeep", "move", "pg", "--to", NAMES[0]), timeout=90)
    pair = Pair(lab)
    settled(lab)
    return pair


@pytest.fixture
def pair(lab: Lab) -> Pair:
    return Pair(lab)


# --- what is typed, and what it leaves


def typed(lab: Lab, row: Row, by: tuple[str, ...] = ()) -> CompletedProcess[str]:
    return lab[row.on].run((*by, *row.words), check=False, timeout=90)


def complaints(lab: Lab, row: Row, by: tuple[str, ...] = ()) -> list[str]:
    """Type it; say what was wrong with how it ended: with what code, and where it has failed, with how many lines."""
    done = typed(lab, row, by)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("usage: ", "  ")) and line != ERRORS]
    said = lines[0] if lines else done.stdout
    well = done.returncode == row.code and len(lines) == bool(row.code) and row.says in said
    return [] if well else [f"{row.on}: {row.typed}: {done.returncode}: {done.stdout[-500:]}{done.stderr}"]


def each(lab: Lab, rows: Iterable[Row], by: tuple[str, ...] = ()) -> list[str]:
    """Type rows, those of two verbs at once; nothing else may set up while one does."""
    alike = defaultdict(list)
    for row in rows:
        alike["setup" if row.verb == "nvkeep_apply_config" else row.verb].append(row)
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda some: [one for row in some for one in complaints(lab, row, by)], alike.values())
        return [one for some in found for one in some]


def state(lab: Lab) -> set[str]:
    """Tell all that nvkeep keeps, mounts, addresses and starts on both servers, and every move of the volume."""
    found = {f"move {number}: {move}" for number, move in enumerate(lab.storage.moves(PG.volume))}
    with ThreadPoolExecutor(2) as pool:
        said = pool.map(lambda server: (server.name, server.run(("sh", "-c", STATE)).stdout), lab)
        return found | {f"{name}: {line}" for name, lines in said for line in lines.splitlines()}


def changed(lab: Lab, before: set[str], but: str = "move nothing") -> list[str]:
    """List what is not as before, be it after a pass: a host told to stand away forgets it while another one serves."""

    def differs() -> list[str]:
        return sorted(one for one in before ^ state(lab) if but not in one)

    with suppress(LabError):
        until(lambda: not differs(), within=10, what="it is as before", every=0.5)
    return differs()


def settled(lab: Lab) -> set[str]:
    """Wait until nothing changes any more, and tell everything."""
    seen = [state(lab)]

    def still() -> bool:
        seen.append(state(lab))
        return seen[-1] == seen[-2]

    until(still, within=30, what="everything stays as it is", every=1.5)
    return seen[-1]


def stayed(home: Pair, before: set[str]) -> None:
    """Assert that nothing is changed, and that the service was served all the time."""
    assert changed(home.lab, before) == []
    assert home.writer.result().longest_steady_gap < QUIET


@contextmanager
def held(lab: Lab, lock: str, seconds: int) -> Iterator[None]:
    """Have something else hold a lock on both servers."""
    with ExitStack() as last:
        for server in lab:
            shell = ("sh", "-c", f"touch /run/holds && exec sleep {seconds}")
            server.run(("systemd-run", "--quiet", "--collect", "--unit=holds", "flock", lock, *shell))
            last.callback(server.run, ("sh", "-c", "systemctl stop holds; rm /run/holds"), check=False)
        for server in lab:
            until(server.path("/run/holds").exists, within=10, what=f"{lock} of {server.name} is held")
        yield


@pytest.mark.parametrize("table", [verbs.WRONG, verbs.WRONG_HOST, verbs.NOT_ROOT, TWICE, BUSY])
def test_no_verb_is_left_out(table: Sequence[Row]) -> None:
    assert {row.verb for row in table} == {*VERBS, *ORIGINAL}


@pytest.mark.parametrize(("table", "by"), [(verbs.WRONG, ()), (verbs.WRONG_HOST, ()), (verbs.NOT_ROOT, NOBODY)])
def test_what_is_refused_changes_nothing(home: Pair, table: Sequence[Row], by: tuple[str, ...]) -> None:
    before = state(home.lab)
    assert each(home.lab, table, by) == []
    stayed(home, before)


def test_typed_again_it_changes_nothing_more(home: Pair) -> None:
    for row in verbs.TWICE:
        assert typed(home.lab, row).returncode in (0, row.code)
        home.lab[row.on].run(("nvkeep", "apply"), check=False)  # the pass that follows an order: it writes the flag
        before = state(home.lab)
        assert complaints(home.lab, row) == []
        assert (row.typed, changed(home.lab, before)) == (row.typed, [])
    stayed(home, before)


def test_a_maintenance_given_again_is_only_prolonged(home: Pair) -> None:
    given, ended = verbs.MAINTENANCE
    with held(home.lab, LOCK, HELD):
        assert complaints(home.lab, given) == []
    before = state(home.lab)
    assert complaints(home.lab, given) == []
    assert changed(home.lab, before, but="/var/lib/nvkeep/override/maintenance.pg") == []
    assert complaints(home.lab, ended) == []


def test_what_only_looks_waits_for_no_pass_and_changes_nothing_twice(home: Pair) -> None:
    before = state(home.lab)
    for _ in range(2):  # each time shorter than the passes may be missing: then status would rightly say so
        with held(home.lab, LOCK, 100):
            assert each(home.lab, verbs.LOOKING) == []
            assert home.active.run(("systemctl", "is-active", "holds")).stdout == "active\n"
        home.wait_serving(home.active)
    stayed(home, before)


def test_what_acts_waits_for_a_pass_that_is_under_way_and_changes_nothing_again(home: Pair) -> None:
    before = state(home.lab)
    with held(home.lab, LOCK, HELD):
        assert each(home.lab, verbs.WAITING) == []
    stayed(home, before)


def test_while_one_sets_up_another_does_not(home: Pair) -> None:
    before = state(home.lab)
    with held(home.lab, SETUP, 100):
        assert each(home.lab, (Row("setup --yes", 2), Row("nvkeep_apply_config", 2))) == []
    stayed(home, before)


def test_all_the_time_it_was_served_where_it_was_and_no_row_is_lost(home: Pair) -> None:
    assert home.finish(home.active, clean=home.other).longest_steady_gap < QUIET


# --- one moves


def test_what_moves_moves_nothing_when_it_is_typed_again(pair: Pair) -> None:
    lab = pair.lab
    for row in verbs.TWICE_MOVING:
        with held(lab, LOCK, HELD):
            assert complaints(lab, row._replace(says="")) == []
        if row.verb != "stop":
            until(lambda: any(PG.serves(one) and well(one) for one in lab), within=30, what=f"{row.typed}: somebody serves")
        if row.verb not in ("stop", "standby"):
            until(lambda: any(ready(one) for one in lab), within=30, what=f"{row.typed}: somebody stands by")
        before = settled(lab)
        assert complaints(lab, row) == []
        assert (row.typed, changed(lab, before)) == (row.typed, [])
    serving = active_server(lab)
    pair.finish(serving, clean=next(one for one in lab if one is not serving))


def test_of_two_moves_at_once_one_moves(pair: Pair) -> None:
    lab, server, other = pair.lab, pair.active, pair.other
    for typed_on in ((server, server), (server, other)):
        before, words = len(lab.storage.moves(PG.volume)), ("nvkeep", "move", "pg", "--to", other.name)
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda one: one.run(words, check=False, timeout=90), typed_on))  # noqa: B023 - done here
        kept = next(one for one in done if "serves it; outage" not in one.stdout)
        told = {0: f"pg: {other.name} serves it already\n", 1: "nvkeep: pg is being moved already; nvkeep status\n"}
        assert kept.stdout + kept.stderr == told[kept.returncode]
        assert [one.returncode for one in done if one is not kept] == [0]
        assert lab.storage.moves(PG.volume)[before:] == [f"{server.name} detach", f"{other.name} plain"]
        pair.wait_serving(other)
        pair.wait_ready(server)
        server, other = other, server
    pair.finish(server, clean=other)
