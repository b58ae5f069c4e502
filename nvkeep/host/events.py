"""Event sources: they notify at once that something may have changed. None says what; it only wakes a pass.

keepalived's FIFO, the end of a process (pidfd), the mount table (proc(5): poll gives POLLPRI), addresses and links
(rtnetlink(7) multicast groups).
"""

import contextlib
import os
import select
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from nvkeep.host.process import pidfd

LINKS_AND_ADDRESSES = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
CHUNK_BYTES = 65536
Notify = Callable[[], None]


class Events:
    """A set of descriptors, each with what to notify when it is ready."""

    def __init__(self) -> None:
        self.poll = select.epoll()
        self.notifications: dict[int, Notify] = {}

    def add(self, descriptor: int, notify: Notify, mask: int = select.EPOLLIN) -> None:
        """Add an event source."""
        self.notifications[descriptor] = notify
        self.poll.register(descriptor, mask)

    def remove(self, descriptor: int) -> None:
        """Remove an event source and close it."""
        self.notifications.pop(descriptor, None)
        with contextlib.suppress(OSError):
            self.poll.unregister(descriptor)
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def wait(self, timeout: float) -> None:
        """Wait for an event for at most timeout seconds, and notify of it."""
        for descriptor, _ in self.poll.poll(timeout):
            self.notifications.get(descriptor, lambda: None)()

    def on_lines(self, descriptor: int, heard: Callable[[str], None]) -> None:
        """Notify of every line written to a FIFO."""
        lines = Lines()

        def drained() -> None:
            for line in lines.drain(descriptor):
                heard(line)

        self.add(descriptor, drained)

    def on_mounts(self, notify: Notify) -> None:
        """Notify when something is mounted or unmounted."""
        self.add(os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC), notify, select.EPOLLPRI | select.EPOLLERR)

    def on_network(self, notify: Notify) -> None:
        """Notify when a link or an address changes."""
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        opened.bind((0, LINKS_AND_ADDRESSES))

        def drained() -> None:
            with contextlib.suppress(OSError):  # BlockingIOError: empty; ENOBUFS: some were lost, and one was enough
                while opened.recv(CHUNK_BYTES):
                    pass
            notify()

        self.add(opened.fileno(), drained)
        self._kept = opened

    def on_end(self, pid: int, notify: Notify) -> int | None:
        """Notify once when a process ends; None when it is gone already, or where it cannot be watched (EL 8)."""
        descriptor = None
        with contextlib.suppress(OSError):
            descriptor = pidfd(pid)
        if descriptor is None:
            return None

        def ended() -> None:
            self.remove(descriptor)
            notify()

        self.add(descriptor, ended)
        return descriptor


class Lines:
    """Puts lines together from the pieces a pipe gives."""

    def __init__(self) -> None:
        self.rest = ""

    def drain(self, descriptor: int) -> Iterator[str]:
        """Give every whole line that is there now."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(descriptor, CHUNK_BYTES):
                *whole, self.rest = (self.rest + chunk.decode(errors="replace")).split("\n")
                yield from whole


class Fifo:
    """Holds a FIFO open for reading.

    Where it was removed a new one is made, and the one before is read as well: whoever writes goes on with what it has open.
    """

    def __init__(self, events: Events, path: str, heard: Callable[[str], None]) -> None:
        self.events = events
        self.path = path
        self.heard = heard
        self.descriptor: int | None = None
        self.former: int | None = None

    def hold(self) -> None:
        """Open the FIFO if that is needed; one removed file is kept at most. Raises OSError."""
        if self.descriptor is not None and os.fstat(self.descriptor).st_nlink:
            return
        opened = open_fifo(self.path)
        if self.former is not None:
            self.events.remove(self.former)
        self.former, self.descriptor = self.descriptor, opened
        self.events.on_lines(opened, self.heard)


def open_fifo(path: str) -> int:
    """Open a FIFO for reading so that it never ends; make it first if nothing is there. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path, 0o600)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, f"{path} is not a FIFO; remove it")
    return descriptor


def tell_systemd(words: str) -> None:
    """Send one message of sd_notify(3); without a systemd that listens at once, nothing."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as opened:
            opened.sendto(words.encode(), path.replace("@", "\0", 1) if path.startswith("@") else path)
