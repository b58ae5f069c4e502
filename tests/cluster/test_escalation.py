"""`nvkeep umount` on a real file system that real processes hold, in a mount namespace of its own. Needs root, no lab."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import loops, steady
from lab.commands import run, until
from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
WITHIN = "12"
MAP = """
import mmap, sys, time
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
print(flush=True)
time.sleep(999)
"""
ROOTED = "import os, sys, time; os.chroot(sys.argv[1]); os.chdir('/'); print(flush=True); time.sleep(99)"
# Twenty who are each replaced at once: while the last is being killed, the first are back.
SWARM = 'for i in $(seq 20); do while :; do (cd "$0" && exec sleep 99); done & done 2>/dev/null; sleep 0.5; echo; wait'
# A file system with one file, which waits for ever while its process is stopped: storage that does not answer.
STORAGE = """
import os, stat, sys, mfusepy
class One(mfusepy.Operations):
    def __init__(self, file):
        self.file = os.open(file, os.O_RDWR)
    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": os.fstat(self.file).st_size}
    def readdir(self, path, fh):
        return [".", "..", "image"]
    def read(self, path, size, offset, fh):
        return os.pread(self.file, size, offset)
    def write(self, path, data, offset, fh):
        return os.pwrite(self.file, data, offset)
    def init(self, path):
        print(flush=True)
mfusepy.FUSE(One(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True, direct_io=True)
"""


class Busy:
    """An ext4 on a loop device, mounted in a mount namespace that a process of ours keeps."""

    def __init__(self, home: Path) -> None:
        self.home, self.path = home, home / "m"
        self.path.mkdir()
        self.image = home / "image"
        with self.image.open("wb") as file:
            file.truncate(32 << 20)
        run(("mkfs.ext4", "-q", "-b", "4096", str(self.image)))
        self.device = ""
        self.left: list[subprocess.Popen[str]] = []

    def begin(self, image: Path | None = None) -> None:
        self.device = loops.attach(image or self.image)
        self.keeper = self._spawn(("unshare", "--mount", "sh", "-c", "echo; exec sleep 999"))
        self.run("mount", self.device, str(self.path))

    def _spawn(self, argv: tuple[str, ...], directory: str = "/") -> subprocess.Popen[str]:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=directory, start_new_session=True)
        self.left.append(process)
        assert process.stdout
        process.stdout.readline()
        return process

    def inside(self, *argv: str) -> tuple[str, ...]:
        return ("nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "--wd=/", *argv)

    def run(self, *argv: str) -> str:
        return run(self.inside(*argv)).stdout

    def hold(self, *argv: str) -> subprocess.Popen[str]:
        """Start a process of the namespace, and wait until it says a line."""
        return self._spawn(self.inside(*argv))

    def works_in(self, directory: Path) -> subprocess.Popen[str]:
        return self.hold("sh", "-c", 'cd "$0" && echo && exec sleep 999', str(directory))

    def umount(self, policy: str, *more: str, within: str = WITHIN) -> subprocess.CompletedProcess[str]:
        nvkeep = (sys.executable, "-m", "nvkeep", "umount", str(self.path), "--device", self.device)
        argv = self.inside("env", f"PYTHONPATH={ROOT}", *nvkeep, "--holders", policy, "--within", within, *more)
        return run(argv, check=False, timeout=40)

    @property
    def mounted(self) -> bool:
        return f" {self.path} " in self.run("cat", "/proc/self/mountinfo")

    @property
    def alive(self) -> bool:
        return Path("/sys/fs/ext4", Path(self.device).name).exists()

    def end(self) -> None:
        for process in reversed(self.left):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        until(lambda: not self.alive, within=10, what="the file system lives on")
        loops.detach(self.device, self.image)


class Stalling(Busy):
    """The same on storage that can be told not to answer."""

    def start(self) -> None:
        point = self.home / "storage"
        point.mkdir()
        self.storage = self._spawn((sys.executable, "-c", STORAGE, str(self.image), str(point)))
        self.image = point / "image"
        self.begin()

    def answers(self, *, yes: bool) -> None:
        self.storage.send_signal(signal.SIGCONT if yes else signal.SIGSTOP)

    def umounts(self) -> list[str]:
        return run(("pgrep", "--full", "--exact", f"umount {self.path}"), check=False).stdout.split()

    def end(self) -> None:
        self.answers(yes=True)
        self.left.remove(self.storage)
        super().end()
        run(("umount", str(self.image.parent)))
        self.storage.communicate(timeout=60)


@pytest.fixture
def stalling(tmp_path: Path) -> Iterator[Stalling]:
    made = Stalling(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    made = Busy(tmp_path)
    try:
        made.begin()
        yield made
    finally:
        made.end()


def test_nobody_holds_it(busy: Busy) -> None:
    done = busy.umount("none")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not busy.alive


def test_none_ends_nobody_and_names_who_holds(busy: Busy) -> None:
    holder = busy.works_in(busy.path)
    begun = boottime()
    done = busy.umount("none")
    assert steady.seconds(begun) < float(WITHIN)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"pid {holder.pid} (sleep 999)" in line
    assert f"works in {busy.path} " in line
    assert "holders: none" in line
    assert f"kill {holder.pid}" in line
    assert holder.poll() is None
    assert busy.mounted


def test_unit_ends_nobody_else(busy: Busy) -> None:
    holder = busy.works_in(busy.path)
    assert busy.umount("unit", "--units", "pg.service").returncode == 1
    assert holder.poll() is None


HOW = {
    "cwd": ("sh", "-c", 'cd "$0" && echo && exec sleep 999', "{path}"),
    "open": ("sh", "-c", 'exec 7< "$0"; echo; exec sleep 999', "{path}/file"),
    "maps": (sys.executable, "-c", MAP, "{path}/file"),
    "exe": ("{path}/file", "-c", "echo; sleep 999; :"),
    "root": (sys.executable, "-c", ROOTED, "{path}"),
}


@pytest.mark.parametrize("how", HOW)
def test_all_ends_whoever_holds_it_in_any_way(busy: Busy, how: str) -> None:
    busy.run("cp", "/bin/sh", f"{busy.path}/file")
    holder = busy.hold(*(word.replace("{path}", str(busy.path)) for word in HOW[how]))
    done = busy.umount("all")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"SIGTERM to pid {holder.pid} " in done.stdout
    assert not busy.alive


def test_one_that_ignores_sigterm_is_killed(busy: Busy) -> None:
    holder = busy.hold("sh", "-c", 'trap "" TERM; cd "$0"; echo; while :; do sleep 1; done', str(busy.path))
    done = busy.umount("all")
    assert done.returncode == 0
    steps = [line for line in done.stdout.splitlines() if f"pid {holder.pid} " in line and line.startswith("SIG")]
    assert [line.split()[0] for line in steps] == ["SIGTERM", "SIGKILL"]


def test_one_that_is_stopped_is_killed(busy: Busy) -> None:
    holder = busy.works_in(busy.path)
    holder.send_signal(signal.SIGSTOP)
    assert busy.umount("all").returncode == 0
    assert holder.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("policy", ["none", "all"])
def test_what_is_mounted_below_goes_first(busy: Busy, policy: str) -> None:
    busy.run("mkdir", f"{busy.path}/t")
    busy.run("mount", "-t", "tmpfs", "t", f"{busy.path}/t")
    busy.run("mkdir", f"{busy.path}/t/deep")
    busy.run("mount", "-t", "tmpfs", "t", f"{busy.path}/t/deep")
    done = busy.umount(policy)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line for line in done.stdout.splitlines() if line.startswith("`umount")]
    assert steps == [f"`umount {busy.path}/t/deep`: done", f"`umount {busy.path}/t`: done"]


def test_users_of_a_tmpfs_mounted_on_it_are_found(busy: Busy) -> None:
    busy.run("mkdir", f"{busy.path}/t")
    busy.run("mount", "-t", "tmpfs", "t", f"{busy.path}/t")
    holder = busy.works_in(busy.path / "t")
    assert f"pid {holder.pid} " in busy.umount("none").stderr
    assert busy.umount("all").returncode == 0


def test_the_root_file_system_bound_below_it_makes_nobody_a_holder(busy: Busy) -> None:
    busy.run("mkdir", f"{busy.path}/host")
    busy.run("mount", "--bind", "/", f"{busy.path}/host")
    holder = busy.works_in(busy.path / "host")
    done = busy.umount("all")
    assert done.returncode == 1
    assert "SIG" not in done.stdout
    assert f"{busy.path}/host is mounted below it" in done.stderr
    assert holder.poll() is None


def test_a_bind_mount_elsewhere_holds_it(busy: Busy) -> None:
    other = busy.home / "other"
    other.mkdir()
    busy.run("mkdir", f"{busy.path}/part")
    busy.run("mount", "--bind", f"{busy.path}/part", str(other))
    told = busy.umount("unit")
    assert told.returncode == 1
    assert f"umount {other}" in told.stderr
    assert busy.alive
    assert busy.umount("all").returncode == 0
    assert not busy.alive


def test_users_are_found_by_device_and_not_by_path(busy: Busy) -> None:
    other, decoy = busy.home / "other", busy.home / "mmm"
    other.mkdir()
    decoy.mkdir()
    busy.run("mount", "--bind", str(busy.path), str(other))
    holder, passer_by = busy.works_in(other), busy.works_in(decoy)
    told = busy.umount("none").stderr
    assert f"pid {holder.pid} " in told
    assert f"pid {passer_by.pid} " not in told


def test_a_loop_device_on_it_holds_it(busy: Busy) -> None:
    busy.run("truncate", "--size=1M", f"{busy.path}/inner")
    loop = busy.run("losetup", "--find", "--show", f"{busy.path}/inner").strip()
    assert on_inner(loop)
    told = busy.umount("unit")
    assert told.returncode == 1
    assert f"losetup --detach {loop}" in told.stderr
    done = busy.umount("all")
    assert (done.returncode, done.stderr) == (0, "")
    assert not on_inner(loop)


def on_inner(loop: str) -> bool:
    """Return whether a loop device stands on the file of this test; once it is free, another lane may have its number."""
    listed = run(("losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE")).stdout.splitlines()
    return any(line.startswith(f"{loop} ") and "/inner" in line for line in listed)


def test_another_mount_namespace_holds_it(busy: Busy) -> None:
    holder = busy.hold("unshare", "--mount", "sh", "-c", "echo; exec sleep 999")
    told = busy.umount("unit")
    assert told.returncode == 1
    assert f"pid {holder.pid} (sleep 999) has it mounted at {busy.path} in a mount namespace of its own" in told.stderr
    assert busy.alive
    again = busy.umount("all")
    assert (again.returncode, again.stderr) == (0, "")
    assert holder.poll() is None
    assert not busy.alive


def test_a_lazy_umount_is_not_released(busy: Busy) -> None:
    holder = busy.works_in(busy.path)
    busy.run("umount", "--lazy", str(busy.path))
    assert not busy.mounted
    told = busy.umount("none")
    assert told.returncode == 1
    assert f"pid {holder.pid} (sleep 999)" in told.stderr
    assert busy.umount("all").returncode == 0
    assert not busy.alive


def test_those_who_come_back_at_once_are_told(busy: Busy) -> None:
    swarm = busy.hold("sh", "-c", SWARM, str(busy.path))
    done = busy.umount("all")
    assert done.returncode == 1
    assert "it was killed, and is back" in done.stderr
    assert "SIGKILL to pid" in done.stdout
    assert busy.mounted
    os.killpg(swarm.pid, signal.SIGKILL)
    assert busy.umount("all").returncode == 0


def test_those_who_come_back_after_a_moment_lose(busy: Busy) -> None:
    busy.hold("sh", "-c", 'echo; while :; do (cd "$0" && exec sleep 99); sleep 0.1; done', str(busy.path))
    assert busy.umount("all").returncode == 0


def test_the_shell_it_was_typed_in_is_not_ended(busy: Busy) -> None:
    nvkeep = f"{sys.executable} -m nvkeep umount {busy.path} --device {busy.device} --holders all --within {WITHIN}"
    argv = busy.inside("sh", "-c", f"cd {busy.path}; PYTHONPATH={ROOT} {nvkeep}; echo alive $?")
    done = run(argv, check=False, timeout=40)
    assert done.stdout.splitlines()[-1] == "alive 1"
    assert f"works in {busy.path}" in done.stderr


def test_an_umount_that_hangs_is_told_and_not_started_twice(stalling: Stalling) -> None:
    stalling.run("dd", "if=/dev/zero", f"of={stalling.path}/dirty", "bs=1M", "count=4")
    stalling.answers(yes=False)
    begun = boottime()
    first = stalling.umount("all", within="4")
    assert steady.seconds(begun) < 10
    assert first.returncode == 1
    assert "its storage does not answer" in first.stderr
    hanging = stalling.umounts()
    assert len(hanging) == 1
    assert stalling.umount("all", within="4").returncode == 1
    assert stalling.umounts() == hanging
    stalling.answers(yes=True)
    assert stalling.umount("all").returncode == 0
    assert not stalling.alive


def test_who_holds_what_does_not_answer_is_told_all_the_same(stalling: Stalling) -> None:
    holder = stalling.works_in(stalling.path)
    stalling.run("dd", "if=/dev/zero", f"of={stalling.path}/dirty", "bs=1M", "count=4")
    stalling.answers(yes=False)
    told = stalling.umount("none")
    assert told.returncode == 1
    assert f"pid {holder.pid} (sleep 999) works in {stalling.path}" in told.stderr
