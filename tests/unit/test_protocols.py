"""A client of the guides counts what is lost, and the stand-in for BeeGFS keeps what it has acknowledged: both for real."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import libnfs, protocols
from tests.cluster import standins

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = "127.0.0.1"
CONF = """\
storeMgmtdDirectory = {store}
storeAllowFirstRunInit = false # as in the guide
connInterfacesFile = {interfaces}
connPortShift = {shift}
"""


def free_port() -> int:
    with closing(socket.create_server((LOCAL, 0))) as asked:
        return int(asked.getsockname()[1])


def program(where: Path, name: str) -> tuple[str, str]:
    (where / name).symlink_to(standins.PROGRAM)
    return sys.executable, str(where / name)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def daemon(tmp_path: Path, port: int) -> tuple[str, ...]:
    """Give the words that start a management server whose store is not initialized."""
    (tmp_path / "interfaces").write_text("lo\n")
    conf = tmp_path / "beegfs-mgmtd.conf"
    conf.write_text(CONF.format(store=tmp_path, interfaces=tmp_path / "interfaces", shift=port - standins.PORTS[0]))
    return (*program(tmp_path, "beegfs-mgmtd"), f"cfgFile={conf}", "runDaemonized=false")


@pytest.fixture
def running(tmp_path: Path, daemon: tuple[str, ...]) -> Iterator[None]:
    subprocess.run((*program(tmp_path, "beegfs-setup-mgmtd"), "-C", "-p", str(tmp_path), "-S", "mgmtd-a"), check=True)
    with subprocess.Popen(daemon) as process:
        yield
        process.kill()


def connected(port: int, within: float = 20) -> protocols.Lines:
    deadline = time.monotonic() + within
    while True:
        try:
            return protocols.Lines(LOCAL, port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_store_that_is_not_mounted_is_not_served(daemon: tuple[str, ...]) -> None:
    done = subprocess.run(daemon, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "is not initialized" in done.stderr


@pytest.mark.usefixtures("running")
def test_a_row_that_is_not_there_counts_as_lost(tmp_path: Path, port: int) -> None:
    acks = tmp_path / "acks"
    with closing(connected(port)) as line:
        line.put(1)
        line.put(2)
    acks.write_text("1 0.5\n2 0.6\n")
    with closing(connected(port)) as line:
        assert protocols.lost(line, acks) == 0
        acks.write_text("1 0.5\n2 0.6\n3 0.7\n")
        assert protocols.lost(line, acks) == 1
    assert (tmp_path / "rows").read_text() == "1\n2\n"


def test_the_file_of_a_row_is_its_own_and_of_equal_parts() -> None:
    assert libnfs.contents(1) != libnfs.contents(2)
    part = libnfs.contents(1)[: libnfs.WRITE_BYTES]
    assert part * (libnfs.FILE_BYTES // libnfs.WRITE_BYTES) == libnfs.contents(1)
