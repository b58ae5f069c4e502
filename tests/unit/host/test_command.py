"""Nothing that a command does keeps its caller waiting: not its start, not its end, not what it prints."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from nvkeep.errors import CommandError, CommandTimeout
from nvkeep.host import command, process

PYTHON = sys.executable
INHERITED = "grep -E '^Sig(Blk|Ign)' /proc/self/status; echo /proc/self/fd/*; cat /proc/$$/stat"


def test_a_command_is_run_to_its_end() -> None:
    done = command.run((PYTHON, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), 20.0)
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")


def test_a_missing_program_is_127() -> None:
    done = command.run(("/nowhere/at all",), 5.0)
    assert (done.code, done.err) == (127, "/nowhere/at all: No such file or directory")


def test_a_program_that_may_not_be_executed_is_called_so(tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text("#!/bin/sh\n")
    done = command.run((str(file),), 5.0)
    assert (done.code, done.err) == (127, f"{file}: Permission denied")


def test_bytes_come_as_they_are() -> None:
    done = command.run((PYTHON, "-c", r"import sys; sys.stdout.buffer.write(b'a\r\nb\xff\x85c')"), 20.0)
    assert done.out.encode(errors="surrogateescape") == b"a\r\nb\xff\x85c"


def test_one_that_does_not_end_is_killed() -> None:
    begun = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"no end after 0.3 s; killed"):
        command.run(("sleep", "60"), 0.3)
    assert time.monotonic() - begun < 30


def test_one_whose_program_is_never_loaded_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a root disk that does not answer: execve(2) does not come back, and so neither does posix_spawn(3)."""
    loaded, started, child = threading.Event(), [], process._child

    def hang(argv: tuple[str, ...]) -> process.Child:
        loaded.wait(30)
        started.append(child(argv))
        return started[0]

    monkeypatch.setattr(process, "_child", hang)
    with pytest.raises(CommandTimeout, match=r"not started after 0.2 s"):
        command.run(("sleep", "60"), 0.2)
    loaded.set()
    while not started or Path(f"/proc/{started[0].pid}").exists():  # it is killed as soon as it runs, and reaped
        time.sleep(0.01)


def test_one_that_prints_without_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "OUTPUT_BYTES", 100_000)
    with pytest.raises(CommandTimeout, match="printed more than 100000 bytes; killed"):
        command.run(("yes",), 20.0)


def test_what_a_command_says_moves_no_cursor() -> None:
    assert str(CommandError(("x",), 1, "a\x1b[31mb\udcff\nnext")) == "`x` ended with 1: a\\x1b[31mb\\udcff\nnext"


def test_a_command_inherits_nothing_of_ours() -> None:
    """Python ignores SIGPIPE, a thread of it may block signals, and it has files open."""
    with Path("/etc/hosts").open() as stream:
        os.set_inheritable(stream.fileno(), False)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            done = command.run(("sh", "-c", INHERITED), 20.0)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    *signals, streams, stat = done.out.strip().split("\n")
    blocked, ignored = (int(line.split()[1], 16) for line in signals)
    assert not blocked
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
    assert {Path(name).name for name in streams.split()} <= {"0", "1", "2", "3"}  # 3: the directory that is listed
    assert stat.split()[0] == stat.split()[5]  # its pid and its session


def test_a_word_that_no_process_can_be_given_is_refused() -> None:
    assert command.run(("echo", "a\0b"), 5.0).code == 127


def test_one_that_was_left_behind_is_reaped_later() -> None:
    child = process.started(("sleep", "60"), 5.0)
    process.left_behind.append(child)
    os.kill(child.pid, signal.SIGKILL)
    while Path(f"/proc/{child.pid}").exists():
        command.run(("true",), 5.0)
    assert child not in process.left_behind
