"""LocalHost: this machine."""

import errno
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from nvkeep.host import command, files, merged, rtnetlink
from nvkeep.host.base import READ_BYTES, Completed
from nvkeep.host.process import pidfd

CHUNK_BYTES = 65536
ANSWER_BYTES = 4096  # of a service; its first bytes say enough
LAST_WORDS_S = 2.0  # the escalation is left to report who blocks, before its command would be killed


def _without_waiting(path: str, flags: int) -> int:
    """Open so that a FIFO somebody put there cannot make a reader wait."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


class LocalHost:
    """The machine this runs on."""

    def __init__(self, name: str | None = None, *, remembered: tuple[str, ...] = ()) -> None:
        """`remembered`: directories whose files are replaced as a whole: one that is the same as before is not read again."""
        self.name = name or socket.gethostname().split(".")[0]
        self._boot_id = ""
        self._remembered = remembered
        self._texts: dict[str, tuple[tuple[int, ...], str]] = {}

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        """Run a command. `nvkeep announce` runs in this process: it is on the way of every takeover, and cannot block.

        So does the first umount of `nvkeep umount`, after which there is mostly nothing left to do. Instead of systemctl(1)
        systemd itself is asked, and instead of `ip -j addr show` the kernel, where that is possible.
        """
        if tuple(argv[:2]) == ("nvkeep", "announce"):
            from nvkeep.host import plumbing  # noqa: PLC0415 - only passes that change something need it

            return plumbing.run(argv, self)
        if tuple(argv[:2]) == ("nvkeep", "umount"):
            return _umount(argv, timeout)
        if merged.suits(argv):
            return merged.run(argv, timeout)
        return _asked(argv) or command.run(argv, timeout)

    def read(self, path: str, most: int = READ_BYTES) -> str:
        """Read a small file as `write` can put it back: no byte and no end of a line is another one. Raises OSError."""
        if not path.startswith(self._remembered):
            return _read(path, most)
        seen = os.stat(path)  # noqa: PTH116 - asked several times a second for every service
        now = (seen.st_dev, seen.st_ino, seen.st_ctime_ns, seen.st_size)
        before, text = self._texts.get(path, ((), ""))
        if before != now:
            text = _read(path, most)
            self._texts[path] = (now, text)  # one that was replaced meanwhile is another one at the next look
        return text

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        """Put a file in place at once. Raises OSError."""
        self._texts.pop(path, None)
        files.write(path, text, durable=durable)

    def remove(self, path: str, *, durable: bool = False) -> None:
        """Remove a file that may be missing."""
        files.remove(path, durable=durable)

    def names(self, directory: str) -> list[str]:
        """List a directory; a missing one is empty."""
        try:
            return sorted(os.listdir(directory))  # noqa: PTH208 - names are asked for, not paths
        except FileNotFoundError:
            return []

    def exists(self, path: str) -> bool:
        """Return whether something has this name."""
        return os.path.lexists(path)

    def unwritable(self, directory: str) -> str:
        """Say why no file can be written in a directory, without writing one."""
        return files.unwritable(directory)

    def device_number(self, path: str) -> str | None:
        """Give "major:minor" of a block device."""
        try:
            seen = os.stat(path)  # noqa: PTH116 - devices live in devtmpfs: this never blocks on storage
        except OSError:
            return None
        return f"{os.major(seen.st_rdev)}:{os.minor(seen.st_rdev)}" if stat.S_ISBLK(seen.st_mode) else None

    def link_target(self, path: str) -> str | None:
        """Give what a symbolic link says."""
        try:
            return os.readlink(path)  # noqa: PTH115 - a string is asked for
        except OSError:
            return None

    def mount_id(self, link: str) -> str:
        """Give the id of a mount. O_PATH opens nothing: only what the kernel has in memory is looked at."""
        handle = os.open(link, os.O_PATH | os.O_CLOEXEC)
        try:
            words = self.read(f"/proc/self/fdinfo/{handle}").split()
        finally:
            os.close(handle)
        return words[words.index("mnt_id:") + 1]

    def device_of(self, link: str) -> str:
        """Give the device number of a file system."""
        seen = os.stat(link).st_dev  # noqa: PTH116 - a number is asked for
        return f"{os.major(seen)}:{os.minor(seen)}"

    def now(self) -> float:
        """Give the time since boot in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def date(self) -> str:
        """Give the local date and time, for people to read."""
        return time.strftime("%Y-%m-%d %H:%M:%S")

    def wall(self) -> float:
        """Give the time of day in seconds since 1970."""
        return time.time()

    def boot_id(self) -> str:
        """Name this boot; in a container, where the kernel's word is the machine's, the start of its PID 1 is added."""
        if not self._boot_id:  # no process outlives it
            self._boot_id = f"{self.read('/proc/sys/kernel/random/boot_id').strip()}/{self.started(1)}"
        return self._boot_id

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def signal(self, pid: int, number: int, started: str = "") -> None:
        """Send a signal; `started`: only to the process that was started then. Raises OSError."""
        handle = pidfd(pid)
        try:
            if started and self.started(pid) != started:
                raise ProcessLookupError(errno.ESRCH, "another process has its number by now")
            if handle is None:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(handle, number)
        finally:
            if handle is not None:
                os.close(handle)

    def started(self, pid: int) -> str:
        """Give when a process was started, in ticks of the kernel since boot: with its number that names it. Raises OSError."""
        return self.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19]

    def answers(self, interface: str, address: str, timeout: float) -> bool:
        """Return whether another host answers for an address."""
        from nvkeep.host import wire  # noqa: PLC0415 - only a guard needs it

        return wire.answers(interface, address, timeout)

    def pings(self, address: str, timeout: float) -> bool:
        """Return whether an address answers a ping. Raises OSError when it cannot be asked."""
        from nvkeep.host import icmp  # noqa: PLC0415 - only a service with `ping:` needs it

        return icmp.pings(address, timeout)

    def connects(self, address: str, port: int, timeout: float) -> bool:
        """Return whether a TCP connection is accepted. Raises OSError when it cannot be tried."""
        opened = _connected(address, port, timeout)
        if opened:
            opened.close()
        return opened is not None

    def converses(
        self, address: str, port: int, request: bytes, good: Callable[[bytes], bool | None], limits: tuple[float, float]
    ) -> bool:
        """Return whether a service answers as it should. Raises OSError when it cannot be tried."""
        opened = _connected(address, port, limits[0])
        if not opened:
            return False
        with opened:
            try:
                return _converses(opened, request, good, time.monotonic() + limits[1])
            except OSError:  # it has hung up, or does not answer
                return False

    def lock(self, path: str, timeout: float) -> AbstractContextManager[None]:
        """Hold a file lock. Raises Busy."""
        return files.lock(path, timeout)


def _read(path: str, most: int) -> str:
    data = bytearray()
    with open(path, "rb", buffering=0, opener=_without_waiting) as stream:
        while chunk := stream.read(CHUNK_BYTES):  # what is asked for at once, some files of /proc allocate at once
            data += chunk
            if len(data) > most:
                raise OSError(errno.EFBIG, f"larger than {most} bytes", path)
    return data.decode(errors=files.BYTES)


def _connected(address: str, port: int, timeout: float) -> socket.socket | None:
    try:
        return socket.create_connection((address, port), timeout)
    except (TimeoutError, ConnectionError):
        return None
    except OSError as error:
        if error.errno == errno.EHOSTUNREACH:  # nobody answered ARP
            return None
        raise  # no route, no address, no descriptor: that says nothing about the other host


def _converses(opened: socket.socket, request: bytes, good: Callable[[bytes], bool | None], deadline: float) -> bool:
    answer = b""
    opened.sendall(request)
    while (verdict := good(answer)) is None and len(answer) < ANSWER_BYTES:
        opened.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = opened.recv(ANSWER_BYTES)
        if not chunk or time.monotonic() > deadline:
            return False
        answer += chunk
    return bool(verdict)


def _asked(argv: Sequence[str]) -> Completed | None:
    """Ask systemd or the kernel for what a program would print or do; None where it has to be the program."""
    if argv[0] == "systemctl":
        from nvkeep.host import systemd  # noqa: PLC0415 - a library is loaded for it

        return systemd.show(argv) or systemd.enabled(argv) or systemd.queue(argv)
    if tuple(argv) == rtnetlink.COMMAND:
        return rtnetlink.show(argv)
    return None


def _umount(argv: Sequence[str], timeout: float) -> Completed:
    """Make the first step of `nvkeep umount` in this process: one umount(8), which mostly is all. Raises CommandTimeout.

    The rest of the escalation runs as a command of its own: it reads what processes have mapped, which may wait for one that
    hangs in the kernel, and a command can be given up.
    """
    begun = time.monotonic()
    if not command.run(("umount", argv[2]), timeout).code:
        return Completed(tuple(argv), 0, "", "")
    left = timeout - (time.monotonic() - begun)
    done = command.run((*argv, "--within", f"{max(1.0, left - LAST_WORDS_S):.1f}"), left)
    return done._replace(argv=tuple(argv))
