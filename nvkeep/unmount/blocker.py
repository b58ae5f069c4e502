"""One thing that keeps a file system from being unmounted, and the command that makes it go."""

from collections.abc import Callable
from enum import StrEnum
from os import fsencode
from shlex import quote
from typing import NamedTuple, TypeVar

from nvkeep.errors import clean

PROTECTED = ("init.scope", "nvkeep.service", "nvkeep-reconcile.service", "keepalived.service")  # units nobody may end
Found = TypeVar("Found")
DELETE = 0x7F  # from here on a byte is no character of ASCII


class Sort(StrEnum):
    """What it is that holds."""

    PROCESS = "process"
    MOUNT = "mount"
    NAMESPACE = "namespace"
    LOOP = "loop"
    SWAP = "swap"
    EXPORT = "export"


class Blocker(NamedTuple):
    """One thing that holds. `path`: what of the file system, or where it is mounted; `does`: how, in words.

    `command`: what the process runs; of an export, its client; `started`: with the pid, which process it is.
    """

    sort: Sort
    path: str
    does: str
    pid: int = 0
    command: str = ""
    unit: str = ""
    started: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return clean(self.does)
        return clean(f"pid {self.pid} ({self.command}){f' of {self.unit}' if self.unit else ''} {self.does}")

    @property
    def cure(self) -> tuple[str, ...]:
        """The command that makes it go."""
        if self.sort is Sort.PROCESS:
            return ("systemctl", "stop", self.unit) if self.unit.endswith(".service") else ("kill", str(self.pid))
        return {
            Sort.MOUNT: ("umount", self.path),
            Sort.NAMESPACE: ("nsenter", f"--target={self.pid}", "--mount", "umount", "--recursive", self.path),
            Sort.LOOP: ("losetup", "--detach", self.path),
            Sort.SWAP: ("swapoff", self.path),
            Sort.EXPORT: ("exportfs", "-u", f"{self.command}:{self.path}"),
        }[self.sort]

    @property
    def remedy(self) -> str:
        """The same as it is typed."""
        return " ".join(map(_typed, self.cure))


def _typed(word: str) -> str:
    """Quote a word for a shell, so that it can be copied from a screen: what cannot be seen is written as its bytes."""
    if word.isprintable():
        return quote(word)
    shown = (
        chr(byte) if chr(byte).isprintable() and byte < DELETE and chr(byte) not in "'\\" else f"\\x{byte:02x}"
        for byte in fsencode(word)
    )
    return f"$'{''.join(shown)}'"


def gone_is(default: Found, ask: Callable[[str], Found], about: str) -> Found:
    """Ask about something that may end at any moment, or that not even root may look into."""
    try:
        return ask(about)
    except OSError:
        return default
