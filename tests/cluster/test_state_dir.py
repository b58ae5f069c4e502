"""The directories nvkeep records in are lost, full or read-only: who serves goes on, and it is said. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import protected
from lab.commands import until
from tests.cluster.test_failover import main_pid

if TYPE_CHECKING:
    from lab.server import Server
    from tests.cluster.conftest import Pair

NOTHING_MOVED = 0.5  # seconds: the longest gap where nothing may move
RUN, VAR, LOG = "/run/nvkeep", "/var/lib/nvkeep", "/var/log/nvkeep"


def status(server: Server) -> tuple[int, str]:
    done = server.run(("nvkeep", "status", "--local"), check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def wait_told(server: Server, text: str) -> None:
    until(lambda: text in status(server)[1], within=20, what=f"{server.name} does not say: {text}")


def wait_clean(server: Server, directory: str) -> None:
    until(lambda: status(server)[0] == 0, within=20, what=f"{server.name} is not well again with {directory}")


def fill(server: Server, *directories: str) -> None:
    """Put a small file system that is full over each directory."""
    for directory in directories:
        server.run(("mount", "-t", "tmpfs", "-o", "size=16k", "full", directory))
        server.run(("dd", "if=/dev/zero", f"of={directory}/ballast"), check=False)


def free(server: Server, *directories: str) -> None:
    for directory in directories:
        server.run(("umount", directory))


def assert_heals(server: Server) -> None:
    """Assert that passes go on: what dies is started again."""
    pid = main_pid(server, protected.UNIT)
    server.run(("kill", "-KILL", pid))
    until(lambda: main_pid(server, protected.UNIT) not in ("0", pid), within=20, what="PostgreSQL was not started again")


def assert_no_bug(pair: Pair) -> None:
    for server in pair.lab:
        assert "a bug in nvkeep" not in server.journal(lines=5000)


def test_the_run_directory_is_lost(pair: Pair) -> None:
    for server in (pair.active, pair.other):
        server.run(("sh", "-c", f"rm -rf {RUN}/*"), check=False)  # a pass may put a lock there meanwhile
        until(lambda server=server: server.path(f"{RUN}/vrrp.fifo").exists(), within=5, what="there is no FIFO again")  # type: ignore[misc]
        until(lambda server=server: flag(server) == "1", within=20, what="the flag is not 1 again")  # type: ignore[misc]
    assert pair.active.path(f"{RUN}/claim/pg").exists()
    pair.active.run(("systemctl", "restart", "nvkeep.service"))  # it held the lost FIFO open; the new one nobody writes to
    wait_told(pair.active, "! keepalived writes its events to a FIFO that was removed")
    for server in (pair.active, pair.other):
        server.run(("systemctl", "reload", "keepalived"))
        wait_clean(server, RUN)
    result = pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []
    assert result.longest_steady_gap < NOTHING_MOVED
    assert_no_bug(pair)


def flag(server: Server) -> str:
    path = server.path(f"{RUN}/eligible/pg")
    return path.read_text().strip() if path.exists() else "missing"


def assert_as_before(pair: Pair, directory: str) -> None:
    """Assert that nothing moved while a directory could not be written, and that all is well now that it can."""
    wait_clean(pair.active, directory)
    pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []
    assert_no_bug(pair)


def read_only(server: Server, path: str) -> bool:
    """Try to make a mount read-only; the kernel refuses while a file on it is being written."""
    return server.run(("mount", "-o", "remount,bind,ro", path), check=False).returncode == 0


def test_the_run_directory_is_read_only_on_the_active_server(pair: Pair) -> None:
    server = pair.active
    server.run(("mount", "--bind", RUN, RUN))
    until(lambda: read_only(server, RUN), within=10, what=f"{RUN} stays busy: somebody is always writing")
    wait_told(server, f"! nothing can be recorded in {RUN} (read-only)")
    pair.more_rows()
    assert pair.writer.result().longest_steady_gap < NOTHING_MOVED
    assert_heals(server)
    assert status(server)[0] == 1
    server.run(("umount", RUN))
    assert_as_before(pair, RUN)


def test_the_state_and_log_directories_are_full_on_the_active_server(pair: Pair) -> None:
    server = pair.active
    fill(server, VAR, LOG)
    wait_told(server, f"! nothing can be recorded in {VAR} (full)")
    assert_heals(server)
    pair.more_rows()
    assert flag(server) == "1"
    free(server, VAR, LOG)
    assert_as_before(pair, VAR)


def test_a_backup_that_can_record_nothing_is_not_ready(pair: Pair) -> None:
    server = pair.other
    fill(server, VAR, LOG)
    until(lambda: flag(server) == "0", within=20, what="the flag is still 1")
    wait_told(server, f"may not take over: nothing can be recorded in {VAR} (full); df -h {VAR}")
    free(server, VAR, LOG)
    pair.wait_ready(server)
    result = pair.finish(pair.active, clean=server)
    assert result.longest_steady_gap < NOTHING_MOVED
    assert_no_bug(pair)


def test_a_server_that_can_record_nothing_still_hands_over_at_its_reboot(pair: Pair) -> None:
    gone, heir = pair.active, pair.other
    fill(gone, VAR, LOG)
    wait_told(gone, f"! nothing can be recorded in {VAR} (full)")
    gone.reboot()
    pair.finish(heir, clean=gone)
    assert pair.taken() == [f"{heir.name} plain"]
