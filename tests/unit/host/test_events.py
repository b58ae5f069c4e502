"""Doorbells on real descriptors, and the count of passes that lets an upgrade find its moment."""

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nvkeep.agent.upgrade import Passes
from nvkeep.host import LocalHost
from nvkeep.host.events import Events, Fifo


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def listener(tmp_path: Path, heard: list[str]) -> Fifo:
    made = Fifo(Events(), str(tmp_path / "run" / "fifo"), heard.append)
    made.hold()
    return made


def write(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def test_lines_are_heard_whole(listener: Fifo, heard: list[str]) -> None:
    writer = write(listener.path)
    os.write(writer, b"one\ntw")
    listener.events.wait(1)
    os.write(writer, b"o\n")
    listener.events.wait(1)
    assert heard == ["one", "two"]
    os.close(writer)


def test_a_removed_fifo_is_made_again_and_whoever_holds_the_old_one_is_still_heard(listener: Fifo, heard: list[str]) -> None:
    old = write(listener.path)
    Path(listener.path).unlink()
    listener.hold()
    listener.hold()
    new = write(listener.path)
    os.write(old, b"old\n")
    os.write(new, b"new\n")
    listener.events.wait(1)
    listener.events.wait(0)
    assert sorted(heard) == ["new", "old"]
    os.close(old)
    os.close(new)


def test_a_file_in_the_place_of_the_fifo_is_refused_and_the_old_one_stays_open(listener: Fifo, heard: list[str]) -> None:
    old = write(listener.path)
    Path(listener.path).unlink()
    Path(listener.path).touch()
    with pytest.raises(OSError, match="is not a FIFO; remove it"):
        listener.hold()
    os.write(old, b"old\n")
    listener.events.wait(1)
    assert heard == ["old"]
    Path(listener.path).unlink()
    listener.hold()
    assert Path(listener.path).is_fifo()
    os.close(old)


def test_no_pass_begins_while_there_shall_be_none() -> None:
    passes, begun = Passes(), threading.Event()

    def work() -> None:
        with passes.slot():
            begun.set()

    with passes.none(1) as quiet:
        assert quiet
        thread = threading.Thread(target=work)
        thread.start()
        assert not begun.wait(0.1)
    assert begun.wait(5)
    thread.join()


def test_a_pass_under_way_is_waited_for_only_as_long_as_asked() -> None:
    passes, end = Passes(), threading.Event()

    def work() -> None:
        with passes.slot():
            end.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    while not passes.under_way:
        pass
    with passes.none(0) as quiet:
        assert not quiet
    end.set()
    with passes.none(5) as quiet:
        assert quiet
    thread.join()


# --- Linux before 5.3, a Python that was built for one, and a systemd that does not have the call in its lists


@pytest.fixture(params=[errno.ENOSYS, errno.EPERM, None])
def no_pidfd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> int:
        raise OSError(request.param, os.strerror(request.param))

    if request.param is None:
        monkeypatch.delattr(os, "pidfd_open")
    else:
        monkeypatch.setattr(os, "pidfd_open", refused)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("/bin/sleep", "60")) as started:
        yield started
        started.kill()


@pytest.mark.usefixtures("no_pidfd")
def test_without_pidfd_no_end_is_notified(child: subprocess.Popen[bytes]) -> None:
    assert Events().on_end(child.pid, lambda: None) is None


@pytest.mark.usefixtures("no_pidfd")
def test_without_pidfd_a_signal_goes_to_the_process_that_was_meant(child: subprocess.Popen[bytes]) -> None:
    host = LocalHost()
    with pytest.raises(ProcessLookupError, match="another process has its number"):
        host.signal(child.pid, signal.SIGTERM, "1")
    assert child.poll() is None
    host.signal(child.pid, signal.SIGTERM, host.started(child.pid))
    assert child.wait(30) == -signal.SIGTERM
