"""A file server that hangs under an image hangs nobody who asks who holds it. A FUSE file system, stopped. Needs root."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lab import steady
from lab.commands import run, until
from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = """
import os, sys, mfusepy
class Folder(mfusepy.Operations):
    use_ns = True
    def getattr(self, path, fh=None):
        seen = os.lstat(sys.argv[1] + path)
        return {key: getattr(seen, key) for key in ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")}
    def readdir(self, path, fh):
        return [".", "..", *os.listdir(sys.argv[1] + path)]
    def read(self, path, size, offset, fh):
        with open(sys.argv[1] + path, "rb") as file:
            return os.pread(file.fileno(), size, offset)
mfusepy.FUSE(Folder(), sys.argv[2], foreground=True, attr_timeout=0, entry_timeout=0, direct_io=True)
"""
CLUSTER = """\
cluster: lab
hosts:
  {name}: {{heartbeats: [{{interface: lo, address: 10.99.0.1}}]}}
  other: {{heartbeats: [{{interface: lo, address: 10.99.0.2}}]}}
services:
  pg:
    hosts: [{name}, other]
    volumes: [{{name: vol1, backend: image, file: {image}}}]
"""
AT_MOST = 12.0  # seconds for a look that gives up twice


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a directory with an image that `other` holds."""
    behind, seen = tmp_path / "behind", tmp_path / "seen"
    behind.mkdir()
    seen.mkdir()
    (behind / "pg.img").touch()
    (behind / "pg.img.lease.7").write_text(json.dumps({"holder": "other"}))
    process = subprocess.Popen([sys.executable, "-c", FOLDER, str(behind), str(seen)])
    try:
        until(lambda: os.path.ismount(seen), within=10, what="the directory is served")
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        run(("umount", "--lazy", str(seen)))
        process.kill()  # it would go on for a server of another lab, whose namespace began with a copy of the mount
        process.wait(10)


def status(tmp_path: Path) -> tuple[dict[str, str], float]:
    file = tmp_path / "cluster.yaml"
    file.write_text(CLUSTER.format(name=socket.gethostname().partition(".")[0], image=tmp_path / "seen/pg.img"))
    begun = boottime()
    done = subprocess.run(
        [sys.executable, "-m", "nvkeep", "status", "--json", "-f", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    found: dict[str, str] = json.loads(done.stdout)[0]
    return found, steady.seconds(begun)


def test_a_lease_on_a_file_server_that_hangs_is_unknown_in_time(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    assert status(tmp_path)[0]["holder"] == "another host (other)"
    server.send_signal(signal.SIGSTOP)
    found, took = status(tmp_path)
    assert (found["holder"], found["summary"]) == ("unknown", "unknown")
    assert "cannot be read" in found["why"]
    assert took < AT_MOST
    server.send_signal(signal.SIGCONT)
    assert status(tmp_path)[0]["holder"] == "another host (other)"
