"""The steps of one host, killed before every single act: made again they end where they should, or where they began."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from nvkeep import config
from nvkeep.config import parsing
from nvkeep.errors import ConfigError
from nvkeep.host import UNFINISHED, Completed, LocalHost
from nvkeep.host.base import READ_BYTES
from nvkeep.keepalived import CONF, FIFO, PART
from nvkeep.keepalived.install import installer
from nvkeep.keepalived.install.candidate import written
from nvkeep.keepalived.names import DIRECTORY as KEEPALIVED
from nvkeep.setup import changes, record, steps, undo
from nvkeep.setup.changes import OURS
from nvkeep.setup.order import DIRECTORY, STAGED, TARGET, Order

TEXT = (Path(__file__).parents[2] / "golden" / "keepalived" / "cluster.yaml").read_text()
CLUSTER = parsing.parse(TEXT)
ORDER = Order(CLUSTER, TEXT)
CHANGED = re.sub(r"advert: [0-9.]+", "advert: 0.7", TEXT)
NAME = next(iter(CLUSTER.hosts))
ALL = (*OURS, "keepalived.service")
MANY = 10  # acts of a setup, at the least: each is a place to die at
THEIRS = "vrrp_instance theirs {\n    interface eth9\n}\n"


class Killed(BaseException):
    """The process has died here."""


class Machine(LocalHost):
    """A host with its files below a directory, units that can be switched, and a keepalived that likes what it is shown."""

    def __init__(self, root: Path) -> None:
        super().__init__(NAME)
        self.root, self.lives = root, 10_000
        self.enabled: set[str] = set()
        self.active: set[str] = set()

    def at(self, path: str) -> str:
        return f"{self.root}{path}"

    def act(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise Killed

    def read(self, path: str, most: int = READ_BYTES) -> str:
        return super().read(self.at(path), most)

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        try:
            self.act()
        except Killed:
            self.unfinished(path)
            raise
        super().write(self.at(path), text, durable=durable)

    def unfinished(self, path: str) -> None:
        """Leave what a writer that is killed leaves: the new file, beside its place."""
        beside = Path(self.at(path))
        if self.lives == -1 and beside.parent.is_dir():
            (beside.parent / f".{beside.name}.k1ll3d00{UNFINISHED}").touch()

    def remove(self, path: str, *, durable: bool = False) -> None:
        self.act()
        super().remove(self.at(path), durable=durable)

    def exists(self, path: str) -> bool:
        return super().exists(self.at(path))

    def names(self, directory: str) -> list[str]:
        return super().names(self.at(directory))

    def link_target(self, path: str) -> str | None:
        return super().link_target(self.at(path))

    def lock(self, path: str, timeout: float) -> AbstractContextManager[None]:
        return super().lock(self.at(path), timeout)

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        if argv[0] == "systemctl":
            return Completed(tuple(argv), 0, self.systemctl(argv[1], argv[-1], set(argv[2:]) & set(ALL)), "")
        if argv[0] == "systemd-tmpfiles":
            self.write(FIFO, "")
        elif argv[0] == "rmdir":
            return super().run(("rmdir", self.at(argv[-1])), timeout)
        elif argv[0] == "cp":
            return super().run(("cp", "-p", self.at(argv[-2]), self.at(argv[-1])), timeout)
        said = {"keepalived": "Keepalived v2.2.7 (01/16,2022)\n", "stat": "fifo of 0\n", "ip": self.links(), "date": "1.0\n"}
        return Completed(tuple(argv), 0, "" if "-t" in argv else said.get(argv[0], ""), "")

    def systemctl(self, verb: str, last: str, named: set[str]) -> str:
        """Switch units, one act each; tell how one is."""
        if verb == "show":
            return f"LoadState=loaded\nActiveState={'active' if last in self.active else 'inactive'}\nSubState=x\n"
        if verb == "is-enabled":
            return "enabled\n" if last in self.enabled else "disabled\n"
        for name in sorted(named):
            self.act()
            which = self.enabled if verb.endswith("able") else self.active
            if verb in ("enable", "start"):
                which.add(name)
            elif verb in ("disable", "stop"):
                which.discard(name)
        return ""

    def links(self) -> str:
        beats = CLUSTER.hosts[NAME].heartbeats
        return json.dumps(
            [{"ifname": beat.interface, "addr_info": [{"local": str(beat.address), "prefixlen": 24}]} for beat in beats]
        )

    def state(self) -> object:
        """Tell everything that must be as before, or as it should be. The FIFO is not among it: every boot makes it."""
        paths = (TARGET, CONF, PART, CONF + installer.PREVIOUS, PART + installer.PREVIOUS, record.FILE, STAGED)
        found = {path: written(self, path) if path != STAGED else self.exists(path) for path in paths}
        beside = {where: self.names(where) for where in (DIRECTORY, KEEPALIVED)}
        return found, beside, set(self.enabled), set(self.active)


@pytest.fixture(autouse=True)
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the keepalived of the machine know every instance as soon as it runs."""
    monkeypatch.setattr(installer, "come", lambda *_: "")
    monkeypatch.setattr(installer, "_missing", lambda *_: "")
    monkeypatch.setattr(changes, "come", lambda *_: "")

    def none(_: str) -> None:
        raise ConfigError("here", [])

    monkeypatch.setattr(config, "load", none)  # that of the machine the tests run on is none of theirs


def machine(root: Path, before: dict[str, str]) -> Machine:
    host = Machine(root)
    furnish(host, before)
    return host


def furnish(host: Machine, before: dict[str, str]) -> None:
    """Give a host what every host has, and these files."""
    for beat in CLUSTER.hosts[NAME].heartbeats:
        host.write(f"/sys/class/net/{beat.interface}/carrier", "1\n")
    for path, text in {"/usr/bin/grep": "", f"{TARGET}.sample": "", f"{CONF}.sample": "", **before}.items():
        host.write(path, text)
    host.lives = 10_000


def whole(host: Machine) -> None:
    for step in (steps.commit, steps.start, steps.lead):
        assert step(host, ORDER).well
    steps.finish(host)


def killed(root: Path, before: dict[str, str]) -> Iterator[tuple[Machine, object]]:
    """Give a host killed before its first act, its second, and so on, and how it was before; the last is not killed."""
    for lives in range(100):
        host = machine(root / str(lives), before)
        was = host.state()
        host.lives = lives
        with contextlib.suppress(Killed):
            whole(host)
        alive, host.lives = host.lives >= 0, 10_000
        if alive or done(host):
            assert lives > MANY
            return
        yield host, was
    raise AssertionError("it never ends")


def done(host: Machine) -> bool:
    """Return whether only the last sweeping was left to do."""
    return bool(host.active) and not host.exists(record.FILE)


BEFORE = [
    {},
    {CONF: THEIRS},
    {CONF: THEIRS, TARGET: "of long ago\n", PART: "of long ago\n", CONF + installer.PREVIOUS: "older\n"},
]


@pytest.mark.parametrize("before", BEFORE)
def test_killed_anywhere_it_is_made_again(tmp_path: Path, before: dict[str, str]) -> None:
    for host, _ in killed(tmp_path, before):
        whole(host)
        due = set(OURS if PART in before else ALL)  # where our part was, keepalived was stopped and disabled by somebody
        assert (host.enabled, host.active) == (due, due)
        assert host.read(TARGET) == TEXT
        assert changes.changes(host, ORDER) == ()
        assert not host.exists(STAGED)


@pytest.mark.parametrize("before", BEFORE)
def test_killed_anywhere_it_is_taken_back(tmp_path: Path, before: dict[str, str]) -> None:
    for host, was in killed(tmp_path, before):
        assert undo.undo(host).well
        assert host.state() == was


@pytest.mark.parametrize("before", BEFORE[1:])
def test_killed_made_again_and_killed_again_it_is_taken_back_to_the_beginning(tmp_path: Path, before: dict[str, str]) -> None:
    taken_back = 0
    for number, (host, was) in enumerate(killed(tmp_path, before)):
        host.lives = number // 2
        with contextlib.suppress(Killed):
            whole(host)
        ended, host.lives = host.lives >= 0 or done(host), 10_000
        assert undo.undo(host).well
        assert ended or host.state() == was
        taken_back += not ended
    assert taken_back > MANY


def test_taking_back_may_be_killed_and_made_again(tmp_path: Path) -> None:
    for lives in range(100):
        host = machine(tmp_path / str(lives), BEFORE[1])
        was = host.state()
        for step in (steps.commit, steps.start, steps.lead):
            step(host, ORDER)
        host.lives = lives
        with contextlib.suppress(Killed):
            undo.undo(host)
        alive, host.lives = host.lives >= 0, 10_000
        assert undo.undo(host).well
        assert host.state() == was
        if alive:
            return
    raise AssertionError("it never ends")


def test_what_was_written_by_hand_since_then_stays(tmp_path: Path) -> None:
    host = machine(tmp_path, BEFORE[1])
    steps.commit(host, ORDER)
    host.write(TARGET, "by hand\n")
    assert undo.undo(host).well
    assert host.read(TARGET) == "by hand\n"
    assert host.read(CONF) == THEIRS
    assert not host.exists(PART)


def test_a_host_that_is_set_up_keeps_a_keepalived_that_was_stopped_by_hand(tmp_path: Path) -> None:
    host = machine(tmp_path, {})
    whole(host)
    host.active.discard("keepalived.service")
    host.enabled.discard("keepalived.service")
    assert changes.changes(host, ORDER) == ()
    assert changes.changes(host, Order(CLUSTER, TEXT, at_boot=True)) == ("enable keepalived.service",)
    host.enabled.add("keepalived.service")
    assert changes.changes(host, Order(CLUSTER, TEXT, at_boot=False)) == ("disable keepalived.service",)


def test_a_change_of_the_file_does_what_was_said_and_lets_a_stopped_keepalived_be(tmp_path: Path) -> None:
    host = machine(tmp_path, {})
    whole(host)
    host.active.discard("keepalived.service")
    host.enabled.discard("keepalived.service")
    changed = Order(parsing.parse(CHANGED), CHANGED)
    assert changes.changes(host, changed) == (f"write {TARGET}", f"write {PART}")
    assert steps.commit(host, changed).well
    assert (steps.start(host, changed).lines, steps.lead(host, changed).lines) == ((), ())
    assert (host.enabled, host.active) == (set(OURS), set(OURS))


def test_what_will_be_changed_is_said(tmp_path: Path) -> None:
    host = machine(tmp_path, BEFORE[1])
    assert changes.changes(host, ORDER) == (
        f"write {TARGET}",
        f"write {PART}",
        f"include the part of nvkeep in {CONF}",
        f"make {FIFO}",
        *(f"enable and start {name}" for name in ALL),
    )


def test_a_claim_that_was_never_put_in_place_is_no_service(tmp_path: Path) -> None:
    host = machine(tmp_path, {})
    host.write("/proc/sys/kernel/random/boot_id", "")
    host.write("/proc/1/stat", Path("/proc/1/stat").read_text())
    host.write("/run/nvkeep/claim/pg", "")
    host.lives = 0
    with contextlib.suppress(Killed):
        host.write("/run/nvkeep/claim/plain", "")
    assert len(host.names("/run/nvkeep/claim")) == 2
    assert changes.held(host) == ("pg",)


def test_what_an_administrator_keeps_there_is_not_swept(tmp_path: Path) -> None:
    host = machine(tmp_path, {f"{CONF}{UNFINISHED}": THEIRS})
    steps.finish(host)
    assert host.read(f"{CONF}{UNFINISHED}") == THEIRS


def test_what_cannot_be_swept_keeps_no_setup_from_its_end(tmp_path: Path) -> None:
    host = machine(tmp_path, {f"{KEEPALIVED}/.x{UNFINISHED}/file": ""})
    steps.commit(host, ORDER)
    assert steps.finish(host).well
    assert record.saved(host) is None
