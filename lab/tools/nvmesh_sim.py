"""The server's side of the simulated NVMesh: a line of JSON to the storage, a line back. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sys
from typing import Any

SOCKET = "/run/nvmesh-sim/nvmesh.sock"
# The real commands serialize on this file, without a bound (nvmesh.md, 1.1).
LOCK = "/tmp/.nvmesh_attach_lockfile"  # noqa: S108 - the real one's name


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to the storage and return its answer."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as line:
        line.connect(SOCKET)
        line.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(line.makefile().readline() or '{"failed": "no answer"}')
    if "failed" in reply:
        raise SystemExit(f"nvmesh: {reply['failed']}")
    answer: dict[str, Any] = reply["ok"] or {}
    return answer


def options() -> list[str]:
    """Return which options the commands of this release have; ends the process of any other user than root."""
    if os.geteuid() != 0:  # before the storage is asked: nobody else may write to its socket
        print("This script must be run as root. ErrorID: 1046", file=sys.stderr)
        raise SystemExit(1)
    found: list[str] = ask({"op": "options"})["options"]
    return found


def command(request: dict[str, Any], *, as_json: bool) -> int:
    """Run one command and print what the real one would; return its exit code."""
    with open(LOCK, "w", encoding="ascii") as lock:  # noqa: PTH123 - standing alone, it should start fast
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = ask(request)
    stream = sys.stdout if answer["stream"] == "stdout" else sys.stderr
    if answer["noise"]:
        print(answer["noise"], file=stream)
    if answer["garbled"]:
        print(answer["garbled"], file=stream)
    elif as_json:
        print(json.dumps(answer["json"]), file=stream)
    else:
        return _plain(answer, stream)
    if answer["noise_after"]:
        print(answer["noise_after"], file=stream)
    return int(answer["exit"])


def _plain(answer: dict[str, Any], stream: Any) -> int:  # noqa: ANN401 - any text stream
    found = answer["json"]
    for name, result in found["volumes"].items():
        print(f"{name}: {result['status']} {result.get('error', '')}".rstrip(), file=stream)
    if found["error"]:
        print(found["error"], file=stream)
    # Without --json the exit code says nothing about single volumes.
    return int(answer["exit"]) if found["status"] == "failed" else 0


if __name__ == "__main__":
    ask({"op": "module", "up": sys.argv[1] == "start"})
