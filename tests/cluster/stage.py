"""Several databases on several servers: how they are brought up, watched by a client each, and how each story must end."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import pytest

from lab import databases
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.protected import flag, reported
from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from lab.client import Result
    from lab.databases import Database
    from lab.server import Server

STANDBY = ("BACKUP", "CANDIDATE")
# Of three hosts two are left, and each may be master on one of the two networks: once nobody serves, one steps back after so
# many seconds.
HALF_MASTERS = 15.0
QUIET = 0.5  # seconds: the longest gap where nothing may move
BEFORE_KEEPALIVED = ("nvkeep.service", "nvkeep-reconcile.timer")
MEASURED: list[str] = []  # what tests measured, for the last lines of a run
LOG = "/var/log/nvkeep/actions.log"
LOGS = ("/var/log/nvkeep/event_handler.log", LOG)


T = TypeVar("T")


class Stage:
    """A lab with protected databases, each on its preferred server to begin with."""

    def __init__(self, servers: tuple[str, ...], *played: Database, heartbeats: int = 1, timing: str = "") -> None:
        self.databases = played
        timing = f"reconcile: 4{timing and ', '}{timing}"
        self.lab = Lab(
            servers,
            heartbeats=heartbeats,
            volumes=[one.volume for one in played],
            config=databases.config(played, servers, heartbeats=heartbeats, timing=timing),
            prepare=self._prepare,
        )
        self.calm = False  # everything is in its place, and nothing was done since
        self._stack = ExitStack()

    def _prepare(self, server: Server) -> None:
        databases.enable(server, BEFORE_KEEPALIVED)
        for one in self.databases:
            one.prepare(server)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.lab)
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def _open(self) -> None:
        """Let every database begin on its preferred server, without a race: by hand, before there is a keepalived."""
        for one in self.databases:
            self.lab[one.hosts[0]].run(("nvkeep", "role", one.name, "--set", "MASTER"))
        for server in self.lab:
            server.run(("systemd-run", "--quiet", "--no-block", "/usr/bin/nvkeep", "apply"))
        for one in self.databases:
            until(lambda one=one: one.serves(self.lab[one.hosts[0]]), within=40, what=f"{one.name} is not on its first host")  # type: ignore[misc]
        for server in self.lab:
            server.run((*databases.ENABLE, "--now", "keepalived.service"))
        for one in self.databases:
            self.lab[one.hosts[0]].run(("nvkeep", "role", one.name, "--unset"))
        self.settle()

    def settle(self, within: float = 60) -> None:
        """Wait until every database is on one server, and every other of its servers stands by."""
        for one in self.databases:
            try:
                until(partial(self._settled, one), within=within, what=f"{one.name} is not settled", every=0.5)
            except LabError as error:
                raise LabError(f"{error}\n{self._shown(one)}") from error
        self.calm = True

    def _shown(self, one: Database) -> str:
        """Show what every server knows of a database, for a wait that ended in vain."""
        return "\n".join(f"{server.name}: {shown(server, one)}" for server in self.hosts(one))

    def _settled(self, one: Database) -> bool:
        on = [server for server in self.hosts(one) if one.serves(server)]
        return (
            len(on) == 1 and all(ready(server, one) for server in self.hosts(one) if server is not on[0]) and well(on[0], one)
        )

    def hosts(self, one: Database) -> list[Server]:
        """List the servers that may run a database."""
        return [self.lab[name] for name in one.hosts]

    def on(self, one: Database) -> Server:
        """Give the server that a database is on; it must be exactly one."""
        found = [server for server in self.hosts(one) if one.serves(server)]
        assert len(found) == 1, f"{one.name} is served by {[server.name for server in found]}"
        return found[0]

    def others(self, one: Database) -> list[Server]:
        """List the servers that a database could be on, and is not; one without power, or frozen, cannot be asked."""
        return [server for server in self.hosts(one) if server.awake and not one.serves(server)]

    def watch(self, one: Database) -> Watch:
        """Let a client write to a database from now on."""
        self.calm = False
        return Watch(self, one)


class Kept(Generic[T]):
    """What tests use one after the other: made when one asks for it, and anew after one that found or left it in disorder."""

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._stack = ExitStack()
        self._made: T | None = None

    def get(self) -> T:
        """Give what is kept."""
        if self._made is None:
            self._made = self._stack.enter_context(self._make())
        return self._made

    def close(self) -> None:
        """Take it away."""
        self._made = None
        self._stack.close()


def keep(make: Callable[[], AbstractContextManager[T]]) -> Any:  # noqa: ANN401 - pytest does not say what a fixture is
    """Make the fixture that keeps something for the tests of a file."""

    @pytest.fixture(scope="module")
    def kept() -> Iterator[Kept[T]]:
        shown = Kept(make)
        yield shown
        shown.close()

    return kept


def kept_stage(servers: tuple[str, ...], *played: Database, heartbeats: int = 1, timing: str = "") -> tuple[Any, Any]:
    """Make the two fixtures of a file whose tests use one stage: what is kept, and the stage in order, for each test."""

    @pytest.fixture
    def stage(kept: Kept[Stage]) -> Stage:
        return settled(kept)

    return keep(partial(Stage, servers, *played, heartbeats=heartbeats, timing=timing)), stage


def settled(kept: Kept[Stage]) -> Stage:
    """Give the stage with everything in its place."""
    stage = kept.get()
    try:
        if not stage.calm:
            stage.settle(within=20)
    except LabError:
        kept.close()
    return kept.get()


class Watch:
    """A client that writes to one database, and what the storage was asked for since it began."""

    def __init__(self, stage: Stage, one: Database) -> None:
        self.stage, self.one = stage, one
        self.active = stage.on(one)
        self.since = moment(self.active)
        self.begun = boottime()
        self.writer = stage.lab.writer(one.address, one.port).start()
        self.more_rows()

    @property
    def moves(self) -> list[str]:
        """Name who took the volume and who released it since the watch began."""
        return self.stage.lab.storage.moves(self.one.volume, self.begun)

    def seen(self) -> Result:
        """Give what the client has seen so far."""
        return self.writer.result()

    def more_rows(self, rows: int = 25, within: float = 60) -> None:
        """Wait until so many more rows are acknowledged."""
        before = self.seen().acknowledged
        until(lambda: self.seen().acknowledged > before + rows, within=within, what=f"{self.one.name}: no more rows", every=0.1)

    def wait_serving(self, server: Server, within: float = 60) -> None:
        """Wait until a server serves, and says so."""
        until(lambda: self.one.serves(server), within=within, what=f"{server.name} does not serve {self.one.name}")
        wait_for(
            partial(well, server, self.one), server, self.one, within=within, what=f"{self.one.name} on {server.name} is not ok"
        )

    def wait_moved(self, within: float = 60) -> Server:
        """Wait until another server than the one it began on serves, and give it."""
        others = [server for server in self.stage.hosts(self.one) if server is not self.active]
        until(lambda: any(map(self.one.serves, others)), within=within, what=f"{self.one.name}: no other server serves")
        heir = next(filter(self.one.serves, others))
        self.wait_serving(heir)
        self.more_rows()
        return heir

    def wait_left(self, server: Server, within: float) -> None:
        """Wait until nothing of it is on a server."""
        until(
            lambda: not self.one.left(server),
            within=within,
            what=f"{server.name} kept {self.one.left(server)} of {self.one.name}",
        )

    def wait_said(self, server: Server, word: str, within: float = 15) -> None:
        """Wait until a server sums it up in this word."""
        until(lambda: says(server, self.one, word), within=within, what=f"{server.name} does not say {word}", every=0.2)

    def wait_isolated(self, *kinds: str, within: float = 5) -> None:
        """Wait until the server it began on has logged that it isolated something of each of these kinds."""
        active, one, since = self.active, self.one, self.since
        until(
            lambda: all(did(active, one, since, f": {kind} ", "isolate: converged") for kind in kinds),
            within=within,
            what=f"{active.name} has not isolated {kinds} of {one.name}",
        )

    def unit_took(self, heir: Server) -> float:
        """Give the seconds that its unit's last start took on a server: PostgreSQL's part of an outage, and not nvkeep's."""
        started = did(heir, self.one, self.since, f": service {self.one.unit}: ", "acquire: converged in")
        return float(started[-1].split("converged in ")[1].split(" s ")[0])

    def finish(self, serving: Server) -> Result:
        """Stop the client and assert the end: one server serves, nothing is left on any other, no acknowledged row is lost."""
        self.wait_serving(serving)
        self.more_rows()
        result = self.writer.stop()
        storage = self.stage.lab.storage
        assert self.stage.on(self.one) is serving
        assert storage.holder(self.one.volume) == serving.name
        assert {server.name: self.one.left(server) for server in self.stage.others(self.one) if self.one.left(server)} == {}
        assert storage.overlaps(self.one.volume) == []
        assert self.writer.lost() == 0
        return result

    def stayed(self, longest: float = QUIET) -> Result:
        """Finish, and assert that nothing moved: no volume taken or release, no gap worth the word."""
        result = self.finish(self.active)
        assert self.moves == []
        assert result.longest_steady_gap < longest
        return result


def standing(server: Server, one: Database) -> dict[str, Any]:
    """Read `nvkeep status NAME --json` on a server."""
    found: list[dict[str, Any]] = json.loads(server.run(("nvkeep", "status", one.name, "--json"), check=False).stdout)
    return found[0]


def says(server: Server, one: Database, *words: str) -> bool:
    """Return whether a server sums the database up in one of these words."""
    return standing(server, one)["summary"] in words


def shown(server: Server, one: Database) -> str:
    """Show the status, what is left and the last of the logs of a database on a server."""
    if not server.awake:
        return "not awake"
    status = server.run(("nvkeep", "status", "--local", one.name), check=False)
    logs = [line for path in LOGS for line in server.read(path).splitlines()[-400:] if f" {one.name}: " in line]
    flagged, left = flag(server, one.name), one.left(server)
    return "\n".join((f"flag {flagged}, left {left}", status.stdout, status.stderr, *logs[-30:]))


def wait_for(condition: Callable[[], bool], server: Server, one: Database, *, within: float, what: str) -> None:
    """Wait until something holds of a database on a server; LabError shows what is there where it does not."""
    try:
        until(condition, within=within, what=what, every=0.2)
    except LabError as error:
        raise LabError(f"{error}\n{shown(server, one)}") from error


def ready(server: Server, one: Database) -> bool:
    """Return whether a server stands by for a database: able to take over, and with nothing of it.

    On several heartbeat networks it may be master of one for as long as another server serves: a CANDIDATE.
    """
    if not (server.awake and flag(server, one.name) and any(reported(server, one.name, role=role) for role in STANDBY)):
        return False
    found = standing(server, one)
    return found["summary"] == "ok" and found["role"].startswith(STANDBY) and not one.left(server)


def half_masters(one: Database, standbys: list[Server]) -> bool:
    """Return whether each of them is master on one network."""
    return all("CANDIDATE" in standing(standby, one)["role"] for standby in standbys)


def noticed(one: Database, standbys: list[Server]) -> bool:
    """Return whether the one that is master says split, or each is master on one network, where neither can say it."""
    return any(says(standby, one, "split") for standby in standbys) or half_masters(one, standbys)


def well(server: Server, one: Database) -> bool:
    """Return whether a server calls a database ok."""
    return flag(server, one.name) and reported(server, one.name, did="serve") and says(server, one, "ok")


def did(server: Server, one: Database, since: str, *words: str) -> list[str]:
    """List what nvkeep logged about a database on a server after a moment of `moment`, with all these words."""
    lines = server.read(LOG).splitlines()
    return [
        line for line in lines if line[: len(since)] >= since and f" {one.name}: " in line and all(w in line for w in words)
    ]


def moment(server: Server) -> str:
    """Give the present time in the words of a server's log."""
    return server.run(("date", "+%Y-%m-%dT%H:%M:%S.%3N")).stdout.strip()


def all_at_once(servers: list[Server], what: str) -> None:
    """Let every server do the same at the same time: `reboot`, `power_on`."""
    with ThreadPoolExecutor(len(servers)) as pool:
        list(pool.map(lambda server: getattr(server, what)(), servers))
