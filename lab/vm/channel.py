"""Two sockets of a running machine: the agent inside it, and QEMU itself."""

from __future__ import annotations

import base64
import itertools
import json
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from lab.commands import ENVIRONMENT, LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# An emulated machine may be late because this one is busy; the agent itself keeps the command's own deadline.
PATIENCE = 15.0


class Channel:
    """Asks the agent in a machine; usable from several threads at once."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.boot: str | None = None
        self._up = threading.Event()
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._closed = False
        self._socket = connect(path)
        self._reader = threading.Thread(target=self._read, name=f"agent of {name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._socket.makefile("rb") as lines:
            for line in self._safely(lines):
                self._take(json.loads(line))
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._up.set()

    @staticmethod
    def _safely(lines: Any) -> Any:  # noqa: ANN401 - an iterator that ends when the socket does
        try:
            yield from lines
        except (OSError, ValueError):
            return

    def _take(self, said: dict[str, Any]) -> None:
        if "up" in said:
            self.boot = said["up"]
            self._up.set()
            return
        with self._changed:
            self._answers[said["id"]] = said
            self._changed.notify_all()

    def wait_up(self, within: float) -> None:
        """Wait until the agent has said that it is there; raise LabError when it does not, or the power is gone."""
        if not self._up.wait(within):
            raise LabError(f"{self.name} is not up after {within:g} s")
        if self.boot is None:
            raise LabError(f"{self.name} went off before it was up")

    def ask(self, do: str, within: float, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON can say
        """Ask the agent, and return its answer; raise LabError when there is none."""
        number = next(self._numbers)
        line = json.dumps({"id": number, "do": do, **request}).encode() + b"\n"
        with self._sending:
            try:
                self._socket.sendall(line)
            except OSError as error:
                raise LabError(f"{self.name} is off") from error
        deadline = time.monotonic() + within
        with self._changed:
            while number not in self._answers:
                if self._closed:
                    raise LabError(f"{self.name} lost its power")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise LabError(f"{self.name} does not answer: {do} {request.get('argv') or request.get('path')}")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise LabError(f"{self.name}: {answer['error']}")
        return answer

    def run(self, argv: Sequence[str], timeout: float, feed: str | None) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; raise LabError when it is late."""
        words = list(argv)
        environment = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        answer = self.ask("run", timeout + PATIENCE, argv=["env", "-i", *environment, *words], timeout=timeout, feed=feed)
        if answer.get("late"):
            raise LabError(f"{self.name}: {' '.join(words)}: no end after {timeout:g} s")
        return subprocess.CompletedProcess(words, answer["code"], answer["out"], answer["err"])

    def write(self, path: str, data: bytes, mode: int | None) -> None:
        """Write a file inside, making its directories."""
        self.ask("write", PATIENCE, path=path, data=base64.b64encode(data).decode(), mode=mode)

    def read(self, path: str) -> bytes:
        """Read a file inside."""
        return base64.b64decode(self.ask("read", PATIENCE, path=path)["data"])

    def link(self, path: str, to: str) -> None:
        """Make a symbolic link inside."""
        self.ask("link", PATIENCE, path=path, to=to)

    def close(self) -> None:
        """Release the socket; whoever waits for an answer hears that there is none."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(5)
        self._socket.close()


class Monitor:
    """Asks QEMU itself, in its own protocol (QMP)."""

    def __init__(self, path: Path) -> None:
        self._socket = connect(path)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()  # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command: str) -> None:
        """Have QEMU do something; raise LabError when it refuses."""
        self._socket.sendall(json.dumps({"execute": command}).encode() + b"\n")
        for line in self._lines:
            said = json.loads(line)
            if "error" in said:
                raise LabError(f"qemu: {command}: {said['error']['desc']}")
            if "return" in said:
                return
        raise LabError(f"qemu: {command}: no answer")

    def close(self) -> None:
        """Release the socket."""
        self._lines.close()
        self._socket.close()


def connect(path: Path, within: float = 10) -> socket.socket:
    """Connect to a socket of QEMU, which makes it a moment after its start."""
    deadline = time.monotonic() + within
    connection = socket.socket(socket.AF_UNIX)
    while True:
        try:
            connection.connect(str(path))
        except OSError as error:
            if time.monotonic() > deadline:
                connection.close()
                raise LabError(f"qemu does not listen on {path}: {error}") from error
            time.sleep(0.05)
        else:
            return connection
