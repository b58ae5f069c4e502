"""What can be asked of a host, and done on it. One seam: LocalHost is the machine, the simulation brings another."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

NO_SUCH_PROGRAM = 127  # exit code, as in a shell
READ_BYTES = 16 * 1024 * 1024  # the largest table of a kernel with ten thousand mounts; a file of ours has some hundred


class Completed(NamedTuple):
    """What a command left behind."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str


class Host(Protocol):
    """A machine. Times are seconds of CLOCK_BOOTTIME: they go on in sleep and do not jump."""

    name: str

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        """Run a command to its end. Raises CommandTimeout; an exit code is only reported."""

    def read(self, path: str, most: int = READ_BYTES) -> str:
        """Read a file of at most so many bytes, each as it is: what is not UTF-8 comes as a surrogate. Raises OSError."""

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        """Put a file in place at once, whole or not at all; durable also survives a power cut. Raises OSError."""

    def remove(self, path: str, *, durable: bool = False) -> None:
        """Remove a file that may be missing; durable: also after a power cut. Raises OSError."""

    def names(self, directory: str) -> list[str]:
        """List a directory; a missing one is empty. Raises OSError for anything else."""

    def exists(self, path: str) -> bool:
        """Return whether something has this name, without following a link."""

    def unwritable(self, directory: str) -> str:
        """Say why no file can be written in a directory (it need not be there yet); empty when one can."""

    def device_number(self, path: str) -> str | None:
        """Give "major:minor" of a block device, None when there is none."""

    def link_target(self, path: str) -> str | None:
        """Give what a symbolic link says, None when there is none."""

    def mount_id(self, link: str) -> str:
        """Give the id of the mount that a link of /proc/PID leads to; the file system is not asked. Raises OSError."""

    def device_of(self, link: str) -> str:
        """Give "major:minor" of the file system that a link of /proc/PID leads to; it is asked. Raises OSError."""

    def now(self) -> float:
        """Give the time since boot in seconds."""

    def date(self) -> str:
        """Give the local date and time, for people to read; nothing is decided by it."""

    def wall(self) -> float:
        """Give the time of day in seconds since 1970: for what people set by the clock on the wall, and nothing else."""

    def boot_id(self) -> str:
        """Name this boot."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def signal(self, pid: int, number: int, started: str = "") -> None:
        """Send a signal. Raises OSError when there is no such process."""

    def answers(self, interface: str, address: str, timeout: float) -> bool:
        """Return whether another host answers ARP or neighbour discovery for an address."""

    def pings(self, address: str, timeout: float) -> bool:
        """Return whether an address answers a ping. Raises OSError when it cannot be asked."""

    def converses(
        self, address: str, port: int, request: bytes, good: Callable[[bytes], bool | None], limits: tuple[float, float]
    ) -> bool:
        """Connect, send, and return whether the answer is good (None: more has to come). limits: seconds to connect, to answer.

        Raises OSError when it cannot be tried.
        """

    def connects(self, address: str, port: int, timeout: float) -> bool:
        """Return whether a TCP connection is accepted. Raises OSError when it cannot be tried."""

    def lock(self, path: str, timeout: float) -> AbstractContextManager[None]:
        """Hold a file lock. Raises Busy with the holder's pid when it does not come free in time."""
