"""The storage process, `python -m lab.storaged HOST...`: the views, the hosts' sockets and the control socket."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from lab import places, views
from lab.controls import Controls
from lab.management import Management
from lab.nvmesh import Nvmesh
from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Request = dict[str, Any]
MEETING = 60.0
_logging = threading.Lock()


def log(kind: str, **facts: object) -> None:
    """Append one event to the log the tests read."""
    event = {"event": kind, "boottime": boottime(), "monotonic": time.monotonic(), **facts}
    with _logging, places.EVENTS.open("a") as file:
        file.write(json.dumps(event) + "\n")


def for_host(mesh: Nvmesh, servers: Management, host: str, request: Request) -> object:
    """Answer a command in a server; who asks is the socket it came through, not what it says."""
    match request.pop("op"):
        case "attach":
            return mesh.attach(host, **request)
        case "detach":
            return mesh.detach(host, **request)
        case "module":
            mesh.module(host, **request)
            return None
        case "options":
            return {"options": mesh.era.options, "show": servers.habits.show}
        case "rest":
            return servers.call(**request)
        case "meet":  # every host at the same moment
            mesh.together.wait(MEETING)
            return None
    raise ValueError("unknown request")


class Listener(socketserver.ThreadingUnixStreamServer):
    """One socket; every line is a JSON request, every answer is one JSON line."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, answer: Callable[[Request], object]) -> None:
        path.unlink(missing_ok=True)
        super().__init__(str(path), Handler)
        self.answer = answer
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Take it lightly when the other end was killed while it waited."""
        del request, client_address


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    server: Listener

    def handle(self) -> None:
        """Answer line after line."""
        for line in self.rfile:
            try:
                reply = {"ok": self.server.answer(json.loads(line))}
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who asked
                traceback.print_exc()
                reply = {"failed": f"{type(error).__name__}: {error}"}
            self.wfile.write(json.dumps(reply).encode() + b"\n")


def main(hosts: list[str]) -> None:
    """Serve until the views are unmounted."""
    files = views.Views(log)
    mesh = Nvmesh(hosts, sorted(places.VOLUMES.glob("*.img")), files, log)
    servers = Management(mesh)
    for host in hosts:
        socket = places.nvmesh(host) / "sock/nvmesh.sock"
        Listener(socket, lambda request, host=host: for_host(mesh, servers, host, request))  # type: ignore[misc]
    Listener(places.CONTROL, Controls(mesh, servers).answer)
    views.mount(files, str(places.VIEWS))


if __name__ == "__main__":
    main(sys.argv[1:])
