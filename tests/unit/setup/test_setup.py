"""Setting up, as far as it needs no server: what is compared, who is changed when, what is taken back, what is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nvkeep import __version__, config
from nvkeep.config import parsing
from nvkeep.errors import NotHere
from nvkeep.host import Completed, LocalHost
from nvkeep.host.base import READ_BYTES
from nvkeep.model.finding import Finding, FindingCode
from nvkeep.setup import order as orders
from nvkeep.setup import record, table
from nvkeep.setup.member import Look, Member
from nvkeep.setup.order import Order
from nvkeep.setup.record import Record, Text, Unit
from nvkeep.setup.rollout import Code, Rollout
from nvkeep.setup.steps import Ended
from nvkeep.setup.survey import Survey, as_row, brought, left, repeats

GOLDEN = Path(__file__).parents[2] / "golden" / "keepalived" / "cluster.yaml"
CLUSTER = parsing.parse(GOLDEN.read_text())
ORDER = Order(CLUSTER, GOLDEN.read_text())
HOSTS = tuple(CLUSTER.hosts)


# --- the order, the record


class Rooted(LocalHost):
    """A host whose files are somewhere else."""

    def __init__(self, root: Path) -> None:
        super().__init__(HOSTS[0])
        self.root = root

    def read(self, path: str, most: int = READ_BYTES) -> str:
        return super().read(f"{self.root}{path}", most)

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        super().write(f"{self.root}{path}", text, durable=durable)

    def exists(self, path: str) -> bool:
        return super().exists(f"{self.root}{path}")


def test_no_host_takes_another_file_for_the_one_that_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Rooted(tmp_path)
    with pytest.raises(NotHere, match="another setup is under way"):
        orders.staged(host, ORDER.digest, None)
    monkeypatch.setattr(config, "load", lambda _: CLUSTER)
    host.write(orders.FILE, ORDER.text)
    assert orders.staged(host, ORDER.digest, None) == ORDER
    host.write(orders.FILE, f"{ORDER.text}# another\n")
    with pytest.raises(NotHere, match="another setup is under way"):
        orders.staged(host, ORDER.digest, None)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    host, before = Rooted(tmp_path), Record({"/a": Text(None, "x\n")}, {"u.service": Unit(enabled=True, active=False)})
    assert record.saved(host) is None
    record.save(host, before)
    assert record.saved(host) == before
    host.write(record.FILE, before.dump()[:-9])
    assert record.saved(host) is None


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("first try", "long ago"),  # the killed setup wrote it
        ("long ago", "long ago"),  # it did not get that far
        ("by hand", "by hand"),  # somebody has changed it since then: taking that away would be a trap
    ],
)
def test_a_killed_setup_is_taken_back_to_before_it(now: str, before: str) -> None:
    old = Record({"/a": Text("long ago", "first try")}, {"u": Unit(enabled=False, active=False)})
    new = Record({"/a": Text(now, "second try")}, {"u": Unit(enabled=True, active=True), "v": Unit(enabled=True, active=True)})
    got = record.carried(old, new)
    assert got.texts == {"/a": Text(before, "second try")}
    assert got.units == {"u": Unit(enabled=False, active=False), "v": Unit(enabled=True, active=True)}
    assert record.carried(None, new) == new


# --- all hosts or none


@dataclass
class Actor(Member):
    """A host that does what it is told, but for the steps it fails."""

    name: str
    serves: tuple[str, ...] = ()
    changes: tuple[str, ...] = ("write a file",)
    fails: tuple[str, ...] = ()
    did: list[str] = field(default_factory=list)

    def look(self) -> Look:
        return Look(self.name, Survey(self.name, "1", 0.0, self.serves, (), self.changes), ())

    def step(self, name: str) -> Ended:
        LOG.append(f"{self.name} {name}")
        return Ended(well=name not in self.fails, lines=(f"{name} said",))


LOG: list[str] = []


def rolled(*actors: Actor) -> tuple[Code, list[str], str]:
    LOG.clear()
    said: list[str] = []
    rollout = Rollout(actors, said.append)
    return rollout.carry_out(rollout.look()), list(LOG), "\n".join(said)


def test_hosts_that_serve_come_last_and_nothing_runs_before_all_files_are_in_place() -> None:
    code, log, _ = rolled(Actor("a", serves=("pg",)), Actor("b"), Actor("c"))
    assert code is Code.DONE
    assert log[:3] == ["b commit", "c commit", "a commit"]
    assert sorted(log[3:6]) == ["a start", "b start", "c start"]
    assert sorted(log[6:9]) == ["a lead", "b lead", "c lead"]
    assert sorted(log[9:]) == ["a finish", "b finish", "c finish"]


def test_a_host_without_changes_is_left_alone() -> None:
    assert {one[0] for one in rolled(Actor("a", changes=()), Actor("b"))[1]} == {"b"}


@pytest.mark.parametrize("step", ["commit", "start", "lead"])
def test_what_one_host_cannot_do_is_taken_back_on_all(step: str) -> None:
    code, log, said = rolled(Actor("a"), Actor("b", fails=(step,)), Actor("c"))
    assert code is Code.TAKEN_BACK
    begun = {"a", "b"} if step == "commit" else {"a", "b", "c"}
    assert {one[0] for one in log if one.endswith("undo")} == begun
    assert {one[0] for one in log} == begun
    assert f"b: {step} said" in said


def test_a_host_that_cannot_be_taken_back_is_named_with_what_to_type() -> None:
    code, _, said = rolled(Actor("a", fails=("undo",)), Actor("b", fails=("commit",)))
    assert code is Code.BROKEN
    assert "a: NOT taken back: undo said; there: nvkeep setup --undo" in said


def test_a_host_that_does_not_forget_is_asked_twice_and_named_with_what_to_type() -> None:
    code, log, said = rolled(Actor("a"), Actor("b", fails=("finish",)))
    assert code is Code.UNFINISHED
    assert sorted(log[6:]) == ["a finish", "b finish", "b finish"]
    assert (
        "b: set up, but its record of the state before could not be removed: finish said; "
        "do not type nvkeep setup --undo there: " in said
    )
    assert said.endswith("; once the host answers, type again: nvkeep setup")
    assert "a: set up, but" not in said


def test_a_connection_that_breaks_off_once_at_the_end_is_not_worth_a_word() -> None:
    class Once(Actor):
        def step(self, name: str) -> Ended:
            ended = super().step(name)
            return ended._replace(well=name != "finish" or LOG.count(f"{self.name} finish") > 1)

    code, _, said = rolled(Once("a"), Actor("b"))
    assert code is Code.DONE
    assert "forget" not in said


def test_a_setup_that_is_interrupted_is_taken_back() -> None:
    class Interrupting(Actor):
        def step(self, name: str) -> Ended:
            if name == "start":
                raise KeyboardInterrupt
            return super().step(name)

    with pytest.raises(KeyboardInterrupt):
        rolled(Actor("a"), Interrupting("b"))
    assert {"a undo", "b undo"} <= set(LOG)


# --- asking a host


class Answering(LocalHost):
    """This host, on which commands are answered by their last words."""

    def __init__(self, answers: dict[str, Completed]) -> None:
        super().__init__(HOSTS[0])
        self.said = answers

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        if argv[0] == "date":
            return super().run(argv, timeout)
        return next((done for words, done in self.said.items() if words in argv[-1]), Completed(tuple(argv), 0, "", ""))


def looked(**answers: tuple[int, str, str]) -> Look:
    words = {"version": "--version", "check": "--check"}
    return answered({words[key]: answer for key, answer in answers.items()})


def answered(answers: dict[str, tuple[int, str, str]]) -> Look:
    found = {words: Completed((), *answer) for words, answer in answers.items()}
    return Member(Answering(found), HOSTS[1], ORDER).look()


SAME = (0, f"nvkeep {__version__}\n", "")


def test_a_host_that_cannot_be_reached_is_a_row_with_the_command_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    look = looked(version=(255, "", "ssh: connect to host: Connection refused\n"))
    assert look.unmet == (Finding("ssh", f"cannot reach {HOSTS[1]} over ssh: ssh: connect to host: Connection refused",
                                f"ssh {HOSTS[1]} true"),)  # fmt: skip
    assert f"{HOSTS[1]} (from {HOSTS[0]})" in table.lacking([look], HOSTS[0])


def test_what_only_the_agent_of_the_login_can_open_is_tried_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")
    (one,) = looked(version=(255, "", "root@b: Permission denied (publickey).\n")).unmet
    assert one.why.endswith("Permission denied (publickey). (with the keys of root on this host; your ssh agent is not asked)")
    assert one.fix == f"env -u SSH_AUTH_SOCK ssh -o BatchMode=yes {HOSTS[1]} true"


def test_a_host_without_ssh_is_told_to_install_it_and_nothing_else() -> None:
    (one,) = looked(version=(127, "", "ssh: No such file or directory\n")).unmet
    assert (one.what, one.fix) == ("ssh", "apt-get install openssh-client")
    assert one.why == f"cannot reach {HOSTS[1]} over ssh: ssh: No such file or directory"


FULL = "scp: /etc/nvkeep/.staged/cluster.yaml: No space left on device\n"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"install": (1, "", "install: no mode\n"), "mkdir": (1, "", "mkdir: x: Read-only\n")}, ": mkdir: x: Read-only"),
        ({"install": (1, "", "install: no mode\n")}, ": install: no mode"),
        ({f"{HOSTS[1]}:{orders.FILE}": (1, "", FULL)}, "No space left on device"),
        ({f"{HOSTS[1]}:{orders.FILE}": (255, "", FULL)}, "No space left on device"),
    ],
)
def test_a_host_that_can_be_reached_and_not_written_to_is_no_matter_of_ssh(
    answers: dict[str, tuple[int, str, str]], said: str
) -> None:
    (one,) = answered({"--version": SAME} | answers).unmet
    assert (one.what, one.fix) == ("/etc/nvkeep", "df /etc/nvkeep; findmnt -T /etc/nvkeep")
    assert one.why.startswith("cannot write a file there: ")
    assert one.why.endswith(said)


def test_a_connection_that_breaks_off_while_the_file_is_sent_is_a_matter_of_ssh() -> None:
    gone = (255, "", "ssh: connect to host: Connection refused\n")
    (one,) = answered({"--version": SAME, f"{HOSTS[1]}:{orders.FILE}": (1, "", "lost connection\n"), "rm -f": gone}).unmet
    assert one.what == "ssh"
    assert one.why.startswith(f"cannot reach {HOSTS[1]} over ssh: ssh: connect to host: Connection refused")


@pytest.mark.parametrize(
    ("answer", "words"),
    [((127, "", "nvkeep: command not found"), "it is not installed"), ((0, "nvkeep 0.0.1\n", ""), "it is nvkeep 0.0.1, and")],
)
def test_a_host_with_another_nvkeep_or_none_is_asked_nothing_else(answer: tuple[int, str, str], words: str) -> None:
    (one,) = looked(version=answer).unmet
    assert words in one.why
    assert one.fix == "make install"


def test_a_survey_that_does_not_come_is_told() -> None:
    (one,) = looked(version=SAME, check=(1, "", "Traceback\n  boom")).unmet
    assert one.why == "`nvkeep setup --check` ended with 1: Traceback boom"


@pytest.mark.parametrize(("off", "words"), [(60.0, "ahead of"), (-60.0, "behind"), (0.0, "")])
def test_a_clock_that_differs_is_only_a_warning(off: float, words: str) -> None:
    there = Survey(HOSTS[1], "1", time.time() + off)
    look = looked(version=SAME, check=(0, there.dump(), ""))
    assert look.unmet == ()
    assert [words in one.why for one in look.warnings] == ([True] if words else [])


def test_a_survey_arrives_as_it_was_made() -> None:
    made = Survey("a", "1", 5.0, ("pg",), (Finding("x", "y", "z"),), ("write a file",), (Finding("late", "r", "on"),))
    assert Survey.parse(json.loads(made.dump())) == made
    with pytest.raises((ValueError, TypeError, KeyError)):
        Survey.parse({"name": "a"})


# --- the table


def test_the_table_names_host_lack_and_command() -> None:
    long = "it is " + "very " * 30 + "wrong"
    drawn = table.lacking(
        [
            Look("srv-a", None, (Finding("unit x.service", "it starts at boot", "systemctl disable x.service"),)),
            Look(
                "srv-b", None, (Finding("keepalived", long, "apt-get install keepalived"),), (Finding("clock", "off", "date"),)
            ),
        ],
        "srv-a",
    )
    lines = drawn.splitlines()
    assert lines[1].strip().startswith("srv-a  unit x.service: it starts at boot  ")
    assert lines[1].endswith("  systemctl disable x.service")
    assert any(line.endswith("apt-get install keepalived") and "srv-b" in line for line in lines)
    assert "clock (only a warning): off" in drawn
    assert table.lacking([Look("a", None, ())], "a") == ""


def test_what_keepalived_says_is_not_taken_for_a_command() -> None:
    said = Finding("KEEPALIVED", "`keepalived -t` ended with 1: (a.conf: Line 3) bad;\n  rm -rf is not known")
    row = as_row("keepalived", said)
    assert row.why == "`keepalived -t` ended with 1: (a.conf: Line 3) bad; rm -rf is not known"
    assert row.fix == "nvkeep setup"


@pytest.mark.parametrize("code", list(FindingCode))
def test_what_setting_up_brings_keeps_nobody_from_it(code: FindingCode) -> None:
    brings = code in (FindingCode.NOT_GENERATED, FindingCode.NO_FIFO, FindingCode.NOT_LOADED)
    assert brought(Finding("x", "y", "z", code)) is brings
    assert left(Finding("x", "y", "z", code)) is (code is FindingCode.NOT_RESTARTED)


def test_readiness_does_not_say_again_what_was_found() -> None:
    found = [Finding("keepalived", "vrrp_strict: no", "x")]
    assert repeats(Finding("KEEPALIVED", "vrrp_strict: no", "x"), found)
    assert not repeats(Finding("MOUNTPOINT /srv/other", "it is not there", "mkdir"), found)
    assert not repeats(Finding("SERVICE nfs-server.service", "it is enabled at boot", "systemctl disable"), found)
