"""Nothing that a command does keeps its caller waiting: not its start, not its end, not what it prints."""

import subprocess
import sys
import threading
import time

import pytest

from nvkeep.errors import CommandError, CommandTimeout
from nvkeep.host import command, process

PYTHON = sys.executable


def test_a_command_is_run_to_its_end() -> None:
    done = command.run((PYTHON, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), 20.0)
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")


def test_a_missing_program_is_127() -> None:
    done = command.run(("/nowhere/at all",), 5.0)
    assert (done.code, done.err) == (127, "/nowhere/at all: No such file or directory")


def test_bytes_come_as_they_are() -> None:
    done = command.run((PYTHON, "-c", r"import sys; sys.stdout.buffer.write(b'a\r\nb\xff\x85c')"), 20.0)
    assert done.out.encode(errors="surrogateescape") == b"a\r\nb\xff\x85c"


def test_one_that_does_not_end_is_killed() -> None:
    begun = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"no end after 0.3 s; killed"):
        command.run(("sleep", "60"), 0.3)
    assert time.monotonic() - begun < 30


def test_one_whose_program_is_never_loaded_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a root disk that does not answer: execve(2) does not come back, and so neither does Popen."""
    loaded, started, popen = threading.Event(), [], process._popen

    def hang(argv: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        loaded.wait(30)
        started.append(popen(argv))
        return started[0]

    monkeypatch.setattr(process, "_popen", hang)
    with pytest.raises(CommandTimeout, match=r"not started after 0.2 s"):
        command.run(("sleep", "60"), 0.2)
    loaded.set()
    while not started or started[0].poll() is None:  # it is killed as soon as it runs
        time.sleep(0.01)
    assert started[0].returncode == -9


def test_one_that_prints_without_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "OUTPUT_BYTES", 100_000)
    with pytest.raises(CommandTimeout, match="printed more than 100000 bytes; killed"):
        command.run(("yes",), 20.0)


def test_what_a_command_says_moves_no_cursor() -> None:
    assert str(CommandError(("x",), 1, "a\x1b[31mb\udcff\nnext")) == "`x` ended with 1: a\\x1b[31mb\\udcff\nnext"
