"""Files that are whole or not there, and locks between processes."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nvkeep.errors import Busy, clean
from nvkeep.host import LocalHost, files, local

HOLD = """
import sys
from nvkeep.host import files
with files.lock(sys.argv[1], 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "deep" / "er" / "flag"
    files.write(str(target), "1\n", durable=durable)
    files.write(str(target), "0\n", durable=durable)
    assert target.read_text() == "0\n"
    assert target.stat().st_mode & 0o777 == 0o644
    assert os.listdir(target.parent) == ["flag"]  # noqa: PTH208 - names are asked for


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "flag"
    files.write(str(target), "1\n")
    with pytest.raises(UnicodeEncodeError):
        files.write(str(target), "0\ud800")
    assert target.read_text() == "1\n"
    assert os.listdir(tmp_path) == ["flag"]  # noqa: PTH208 - names are asked for


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    target = tmp_path / "report"
    texts = {letter * 20000 for letter in "ab"}
    files.write(str(target), "a" * 20000)
    done = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(target.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        for text in sorted(texts):
            files.write(str(target), text)
    done.set()
    reader.join()
    assert seen <= texts
    assert seen


def test_a_lock_held_by_another_process_names_its_pid_and_comes_free_with_its_end(tmp_path: Path) -> None:
    path = str(tmp_path / "lock" / "nfs")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=rf"another pass holds {path} \(pid {other.pid}\)"), files.lock(path, 0.05):
            pytest.fail("two hold it")
        other.kill()
        other.wait()
        with files.lock(path, 0):
            assert Path(path).read_text() == f"{os.getpid()}\n"


def test_a_lock_is_not_for_the_same_process_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with files.lock(path, 0), pytest.raises(Busy, match=f"pid {os.getpid()}"), files.lock(path, 0):
        pytest.fail("held twice")
    with files.lock(path, 0):
        pass


def test_threads_hold_it_one_after_another(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(5):
            with files.lock(path, 20):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 15


def test_a_directory_that_can_be_written_or_made_is_not_unwritable(tmp_path: Path) -> None:
    assert files.unwritable(str(tmp_path)) == ""
    assert files.unwritable(str(tmp_path / "to" / "be" / "made")) == ""


def test_what_cannot_be_looked_at_is_said_and_not_raised(tmp_path: Path) -> None:
    assert files.unwritable(str(tmp_path / ("x" * 300))) == "File name too long"


RAW = "# Rechner für Köln\r\nauth_pass ü\n\r\tlast".encode("latin-1")


def test_what_is_not_utf_8_is_written_back_as_it_was(tmp_path: Path) -> None:
    target, host = tmp_path / "keepalived.conf", LocalHost("here")
    target.write_bytes(RAW)
    host.write(str(target), host.read(str(target)))
    assert target.read_bytes() == RAW
    assert clean(host.read(str(target))).encode()  # whatever is shown can be printed


def test_a_file_that_is_replaced_keeps_owner_group_and_mode(tmp_path: Path) -> None:
    target = tmp_path / "keepalived.conf"
    target.write_text("old")
    owner = (1, 4) if os.geteuid() == 0 else (os.getuid(), [os.getgid(), *os.getgroups()][-1])  # only root gives files away
    os.chown(target, *owner)
    target.chmod(0o640)
    files.write(str(target), "new")
    seen = target.stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o7777) == (*owner, 0o640)
    assert target.read_text() == "new"


def test_whoever_may_not_give_files_away_writes_them_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refused)
    files.write(str(tmp_path / "flag"), "1\n")
    files.write(str(tmp_path / "flag"), "0\n")
    assert (tmp_path / "flag").read_text() == "0\n"


def test_a_disk_that_does_not_answer_keeps_the_old_file_and_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, answers, synced = tmp_path / "record", threading.Event(), threading.Event()
    target.write_text("old")

    def hang(_handle: int) -> None:
        answers.wait(60)
        synced.set()

    monkeypatch.setattr(os, "fsync", hang)
    monkeypatch.setattr(files, "DURABLE_LIMIT_S", 0.1)
    with pytest.raises(OSError, match=r"does not answer within 0.1 s"):
        files.write(str(target), "new", durable=True)
    answers.set()  # it answers in the end: what was given up must not replace what was written since
    assert synced.wait(60)
    while list(tmp_path.glob(".record.*")):
        time.sleep(0.01)
    assert target.read_text() == "old"


def test_a_signal_is_for_one_process_only() -> None:
    host = LocalHost("here")
    with subprocess.Popen(("/usr/bin/sleep", "60")) as child:
        try:
            with pytest.raises(ProcessLookupError, match="another process has its number"):
                host.signal(child.pid, 9, "1")
            assert child.poll() is None
            host.signal(child.pid, 9, host.started(child.pid))
            assert child.wait(60) == -9
        finally:
            child.kill()


def test_a_remembered_file_is_read_again_once_it_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, host = tmp_path / "record", LocalHost("here", remembered=(f"{tmp_path}/",))
    opened: list[str] = []

    def read(path: str, _most: int) -> str:
        opened.append(path)
        return Path(path).read_text()

    monkeypatch.setattr(local, "_read", read)
    files.write(str(file), "one")
    assert [host.read(str(file)), host.read(str(file))] == ["one", "one"]
    assert len(opened) == 1
    files.write(str(file), "two")  # by another process
    assert host.read(str(file)) == "two"
    file.write_text("edited in place")
    assert host.read(str(file)) == "edited in place"
    host.write(str(file), "own")
    assert host.read(str(file)) == "own"
    file.unlink()
    with pytest.raises(FileNotFoundError):
        host.read(str(file))


def test_what_is_not_remembered_is_read_every_time(tmp_path: Path) -> None:
    file, host = tmp_path / "status", LocalHost("here", remembered=("/elsewhere/",))
    file.write_text("x")
    seen = file.stat()
    assert host.read(str(file)) == "x"
    file.write_text("y")
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert host.read(str(file)) == "y"
