"""What is asked of systemd over its socket; what it answers is compared on the lab (tests/cluster/test_wire.py)."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from jeepney import DBusAddress, HeaderFields, Message, Parser, new_error, new_method_return, new_signal
from jeepney.auth import BEGIN

from nvkeep.host import Completed, systemd

ARGV = ("systemctl", "show", "--property=LoadState,ActiveState", "--", "a.service")
START = ("systemctl", "start", "--no-block", "--", "a.service")
IS_ENABLED = ("systemctl", "is-enabled", "--", "a.service")
Listed = tuple[str, str, str, str, str, str, str, int, str, str]
OK = b"OK 0123456789abcdef0123456789abcdef\r\n"


def answering(path: Path, answer: Callable[[socket.socket], None]) -> str:
    """Listen where systemd would, and answer one caller."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def once() -> None:
        line, _ = listening.accept()
        with line, listening, suppress(OSError):  # whoever asked has gone
            answer(line)

    threading.Thread(target=once, daemon=True).start()
    return str(path)


def hang_up(line: socket.socket) -> None:
    line.recv(4096)


def refuse(line: socket.socket) -> None:
    line.recv(4096)
    line.sendall(b"REJECTED\r\n")


def talk_nonsense(line: socket.socket) -> None:
    line.recv(4096)
    line.sendall(OK)
    line.recv(65536)
    line.sendall(b"l" + b"\xff" * 63)
    line.recv(65536)


def go_on_talking(line: socket.socket) -> None:
    """Send one signal after the other, and no answer."""
    line.recv(4096)
    line.sendall(OK)
    signal = DBusAddress("/a", "a.b", "a.b")
    while line.send(new_signal(signal, "Changed").serialise(1)):
        time.sleep(0.01)


def heard(line: socket.socket, count: int) -> list[Message]:
    """Receive what is asked, in as many pieces as it comes."""
    parser, asked = Parser(), list[Message]()
    while len(asked) < count:
        asked += [one for one in parser.feed(line.recv(65536).removeprefix(BEGIN)) if one.header.serial != systemd.FILLER]
    return asked


def refuse_one(line: socket.socket) -> None:
    """Answer for LoadState, and say of ActiveState that there is no memory for it: then the state is not known."""
    list_units(line, (), ())
    asked = heard(line, 2)
    line.sendall(new_method_return(asked[0], "v", (("s", "loaded"),)).serialise(1))
    line.sendall(new_error(asked[1], "org.freedesktop.DBus.Error.NoMemory").serialise(2))
    line.recv(4096)


def list_units(line: socket.socket, loaded: Sequence[Listed], named: Sequence[Listed]) -> None:
    """Answer the first two questions: which of the units are loaded, and how each stands."""
    line.recv(4096)
    line.sendall(OK)
    for number, (question, words) in enumerate(zip(heard(line, 2), (loaded, named), strict=True), 1):
        line.sendall(new_method_return(question, "a(ssssssouso)", (list(words),)).serialise(number))


def listed(name: str, active: str = "inactive", job: int = 0) -> Listed:
    return (name, "", "loaded", active, "dead", "", "/a", job, "", "/")


def answer_all(line: socket.socket) -> None:
    """Answer whatever property is asked for."""
    values = {"LoadState": ("s", "loaded"), "ActiveState": ("s", "active")}
    for number, question in enumerate(heard(line, 2), 1):
        line.sendall(new_method_return(question, "v", (values[question.body[1]],)).serialise(number))


def test_of_a_service_that_is_not_loaded_two_questions_say_all(tmp_path: Path) -> None:
    names = "LoadState,ActiveState,SubState,Result,Job,MainPID,InactiveEnterTimestampMonotonic"
    said = ("loaded", "inactive", "dead", "success", "0", "0", "0")
    path = answering(tmp_path / "s", lambda line: list_units(line, (), (listed("a.service"),)))
    done = systemd.show((*ARGV[:2], f"--property={names}", *ARGV[3:]), path)
    assert done
    assert done.out == "".join(f"{name}={value}\n" for name, value in zip(names.split(","), said, strict=True))


@pytest.mark.parametrize(
    ("loaded", "named"),
    [
        ((listed("a.service"),), (listed("a.service"),)),  # it may have failed before, or run
        ((), (listed("b.service"),)),  # an alias: what is loaded has another name
        ((), (listed("a.service", "active"),)),
        ((), (listed("a.service", job=7),)),
    ],
)
def test_of_any_other_each_property_is_asked(tmp_path: Path, loaded: Sequence[Listed], named: Sequence[Listed]) -> None:
    def answer(line: socket.socket) -> None:
        list_units(line, loaded, named)
        answer_all(line)

    done = systemd.show(ARGV, answering(tmp_path / "s", answer))
    assert done
    assert done.out == "LoadState=loaded\nActiveState=active\n"


def test_who_knows_no_lists_is_asked_for_each_property(tmp_path: Path) -> None:
    def answer(line: socket.socket) -> None:
        line.recv(4096)
        line.sendall(OK)
        for number, question in enumerate(heard(line, 2), 1):
            line.sendall(new_error(question, "org.freedesktop.DBus.Error.UnknownMethod").serialise(number))
        answer_all(line)

    done = systemd.show(ARGV, answering(tmp_path / "s", answer))
    assert done
    assert done.out == "LoadState=loaded\nActiveState=active\n"


@pytest.mark.parametrize(("state", "code"), [("enabled", 0), ("static", 0), ("disabled", 1), ("masked", 1)])
def test_how_a_unit_is_enabled_is_said_as_systemctl_does(tmp_path: Path, state: str, code: int) -> None:
    done = systemd.enabled(IS_ENABLED, answering(tmp_path / "s", lambda line: say_state(line, state)))
    assert done == Completed(IS_ENABLED, code, f"{state}\n", "")


def say_state(line: socket.socket, state: str) -> None:
    line.recv(4096)
    line.sendall(OK)
    (asked,) = heard(line, 1)
    line.sendall(new_method_return(asked, "s", (state,)).serialise(1))


@pytest.mark.parametrize("state", ["generated", "", "another word"])
def test_what_systemctl_looks_up_itself_is_the_programs(tmp_path: Path, state: str) -> None:
    assert systemd.enabled(IS_ENABLED, answering(tmp_path / "s", lambda line: say_state(line, state))) is None


def say_nothing(line: socket.socket) -> None:
    while line.recv(4096):
        pass


@pytest.mark.parametrize("answer", [hang_up, refuse, refuse_one, talk_nonsense, go_on_talking, say_nothing])
def test_whoever_does_not_answer_as_systemd_does_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setattr(systemd, "ANSWER_TIMEOUT_S", 0.2)
    assert systemd.show(ARGV, answering(tmp_path / "s", answer)) is None


def refuse_a_job(line: socket.socket) -> None:
    line.recv(4096)
    line.sendall(OK)
    asked, *_ = heard(line, 1)
    line.sendall(new_error(asked, "org.freedesktop.systemd1.NoSuchUnit", "s", ("Unit a.service not found.",)).serialise(1))


@pytest.mark.parametrize("answer", [hang_up, refuse, refuse_a_job, talk_nonsense, go_on_talking, say_nothing])
def test_a_job_that_is_not_accepted_is_the_programs_to_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setattr(systemd, "ANSWER_TIMEOUT_S", 0.2)
    assert systemd.queue(START, answering(tmp_path / "s", answer)) is None


@pytest.mark.parametrize(("verb", "method"), [("start", "StartUnit"), ("stop", "StopUnit")])
def test_a_job_is_queued_as_systemctl_does(tmp_path: Path, verb: str, method: str) -> None:
    asked = list[Message]()

    def accept(line: socket.socket) -> None:
        line.recv(4096)
        line.sendall(OK)
        asked.extend(heard(line, 1))
        line.sendall(new_method_return(asked[0], "o", ("/org/freedesktop/systemd1/job/7",)).serialise(1))

    argv = (START[0], verb, *START[2:])
    assert systemd.queue(argv, answering(tmp_path / "s", accept)) == Completed(argv, 0, "", "")
    assert (asked[0].header.fields[HeaderFields.member], asked[0].body) == (method, ("a.service", "replace"))


def test_where_there_is_no_systemd_the_program_is_run(tmp_path: Path) -> None:
    assert systemd.show(ARGV, str(tmp_path / "nothing")) is None
    assert systemd.queue(START, str(tmp_path / "nothing")) is None
    assert systemd.enabled(IS_ENABLED, str(tmp_path / "nothing")) is None


@pytest.mark.parametrize(
    "argv",
    [
        ARGV[:2],
        ARGV[:4],
        (*ARGV[:2], "--all", *ARGV[3:]),
        (*ARGV[:3], "a.service", "b.service"),
        ("systemctl", "kill", "--signal=SIGKILL", "--", "a.service"),
        ("systemctl", "start", "--", "a.service"),
        (*START, "b.service"),
        (*IS_ENABLED, "b.service"),
    ],
)
def test_other_words_are_the_programs(argv: tuple[str, ...]) -> None:
    assert systemd.show(argv) is None
    assert systemd.queue(argv) is None
    assert systemd.enabled(argv) is None


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("postgresql@15-main.service", "postgresql_4015_2dmain_2eservice"),
        ("1.mount", "_31_2emount"),
        ("a_b.service", "a_5fb_2eservice"),
    ],
)
def test_the_object_of_a_unit_is_named_as_systemd_names_it(unit: str, name: str) -> None:
    assert systemd._path(unit) == f"/org/freedesktop/systemd1/unit/{name}"
