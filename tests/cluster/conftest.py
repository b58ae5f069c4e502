"""Pairs of servers: `fresh` for whoever breaks what stays broken, `pair` for the tests of a file that leave all in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lab import needs, protected
from lab.cluster import Lab
from lab.commands import run, until
from lab.network import FLOATING
from lab.steady import boottime
from tests.cluster.stage import LOG, MEASURED, keep, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from lab.client import Result, Writer
    from lab.server import Server
    from lab.storage import Event
    from tests.cluster.stage import Kept

LONGEST = (  # minutes each; by `pytest --durations=0`
    "test_guides", "test_partitions", "test_operations", "test_hanging_host", "test_outside",
    "test_failover", "test_every_verb", "test_setup", "test_shutdown", "test_every_fix", "test_busy", "test_orders",
    "test_upgrade", "test_keepalived_moods", "test_nvmesh_answers", "test_keepalived_conf", "test_dead_paths", "test_move",
    "test_readiness", "test_agreement", "test_original", "test_state_dir", "test_three_servers",
    "test_stop_takes_an_hour", "test_upgrade_from_before", "test_nvmesh_race",
)  # fmt: skip
LINES = 60  # of a server's log, where a test failed
ATTACHED = "/run/nvmesh-proc/nvmeibc/volumes/vol1"


@pytest.fixture(scope="session", autouse=True)
def requirements() -> None:
    """Fail, never skip: a run that shows nothing must not look like one that found nothing."""
    lacking = needs.lacking()
    if lacking is not None:
        pytest.fail(lacking, pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def no_loop_device_stays(requirements: None) -> Iterator[None]:  # noqa: ARG001 - without losetup there is nothing to look at
    """See every lab of the run: what a server put on a file of the shared directory must be gone with the lab."""
    before = on_removed_files()
    yield
    until(lambda: on_removed_files() <= before, within=15, what="a loop device stays on a file that is gone: losetup -a")


def on_removed_files() -> set[str]:
    """Return the loop devices, of the whole machine, whose file is not there any more.

    The shared directory goes with its lab, and the mount a server saw it through: no path tells then whose a file was.
    """
    listed = run(("losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-INO,BACK-FILE")).stdout
    return {line for line in listed.splitlines() if line.endswith("(deleted)")}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left with one when the others are done."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


class Pair:
    """Two servers that protect PostgreSQL, the one that serves, and a client that writes."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.active = protected.active_server(lab)
        self.other = next(server for server in lab if server is not self.active)
        self.wait_ready(self.other)
        self.writer: Writer = lab.writer().start()
        self.more_rows()
        self.in_order = False  # nothing is broken, and nothing of this test is left: the next one may have these servers
        self.began = boottime()

    def events(self, *kinds: str) -> list[Event]:
        """List what happened in the storage since this test began, oldest first; no attach of what is attached."""
        return [one for one in self.lab.storage.events(*kinds) if one.boottime >= self.began and one["how"] != "again"]

    def taken(self) -> list[str]:
        """List who took the volume since this test began, and how, in order."""
        return [f"{event['host']} {event['how']}" for event in self.events("attach")]

    def wait_ready(self, server: Server, within: float = 40) -> None:
        """Wait until a server stands by."""
        wait_for(partial(protected.ready, server), server, protected.PG, within=within, what=f"{server.name} is not ready")

    def wait_serving(self, server: Server, within: float = 40) -> None:
        """Wait until a server serves, wholly."""
        until(lambda: protected.serves(server), within=within, what=f"{server.name} does not serve")
        wait_for(partial(protected.well, server), server, protected.PG, within=within, what=f"{server.name} is not ok")

    def more_rows(self, within: float = 40) -> None:
        """Wait until fifty more rows are acknowledged."""
        before = self.writer.result().acknowledged
        until(lambda: self.writer.result().acknowledged > before + 50, within=within, what="no more rows are acknowledged")

    def reboot_both(self) -> tuple[Server, Server]:
        """Reboot both servers at once; give the one that serves after that, and the other."""
        servers = list(self.lab)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda server: server.reboot(), servers))
        serving = protected.active_server(self.lab, within=60)
        return serving, next(server for server in servers if server is not serving)

    def finish(self, serving: Server, clean: Server | None) -> Result:
        """Stop the client and assert the end: one serves, nothing is on the other, no acknowledged row is lost."""
        self.wait_serving(serving)
        self.more_rows()
        result = self.writer.stop()
        assert protected.serves(serving)
        assert self.lab.storage.holder() == serving.name
        if clean is not None:
            assert_clean(clean)
        assert self.writer.lost() == 0
        assert result.acknowledged > 50
        self.in_order = clean is not None
        return result


def assert_clean(server: Server) -> None:
    """Assert that nothing of the service is on a server."""
    assert f" {protected.PATH} " not in server.read("/proc/1/mountinfo")
    assert FLOATING not in protected.addresses(server)
    assert not protected.active(server)
    assert not server.path(ATTACHED).exists()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker of pytest-xdist has measured to the run that prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = MEASURED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist has no public type for it
    """Take what a worker has measured."""
    MEASURED.extend(getattr(node, "workeroutput", {}).get("measured", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests measured: a figure that is only asserted to be small enough is never seen to grow."""
    reports = [report for word in ("passed", "failed") for report in terminalreporter.getreports(word)]
    for name, line in (one for report in reports for one in report.user_properties):
        terminalreporter.write_line(f"{name}: {line}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give the report what the test measured, and what nvkeep did on every server where it failed."""
    report = yield
    while MEASURED:
        report.user_properties.append(("measured", MEASURED.pop(0)))
    used = getattr(item, "funcargs", {}).values()
    labs = {id(lab): lab for lab in (getattr(each, "lab", None) for each in used) if isinstance(lab, Lab)}
    if report.when == "call" and report.failed:
        report.sections += [(f"nvkeep on {server.name}", done(server)) for lab in labs.values() for server in lab]
    return report


def done(server: Server) -> str:
    """Give the last lines of what nvkeep did on a server."""
    path = server.path(LOG)
    return "\n".join(path.read_text(errors="replace").splitlines()[-LINES:]) if path.exists() else "nothing"


@contextmanager
def paired(kept: Kept[Lab]) -> Iterator[Pair]:
    """Give the servers of a lab, both in order, and a client that writes."""
    pair = None
    for server in kept.get():  # how often something was started before is no trouble of this test
        server.path("/run/nvkeep/starts/pg").unlink(missing_ok=True)
    try:
        pair = Pair(kept.get())
        yield pair
    finally:
        if not pair or not pair.in_order:
            kept.close()


def kept_pair(make: Callable[[], Lab]) -> tuple[Any, Any]:
    """Make the two fixtures of a file whose tests use one lab: what is kept, and the pair in order, for each test."""

    @pytest.fixture
    def pair(kept: Kept[Lab]) -> Iterator[Pair]:
        with paired(kept) as pair:
            yield pair

    return keep(make), pair


kept, pair = kept_pair(partial(protected.pair, reconcile=4))


@pytest.fixture
def alone(kept: Kept[Lab]) -> None:
    """Let a test have labs of its own: the one that is kept goes first."""
    kept.close()


@pytest.fixture
def fresh(alone: None) -> Iterator[Pair]:  # noqa: ARG001 - a worker has one lab at a time
    with protected.pair(reconcile=4) as lab:
        yield Pair(lab)
