"""Who is told by the servers of a lab: `notify:` sends webhooks and mails, and a receiver beside the lab writes them down."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab import cgroups, databases, places
from lab.commands import until
from lab.network import GATEWAY, SERVICE
from tests.cluster import receiver

if TYPE_CHECKING:
    from types import TracebackType

    from lab.cluster import Lab
    from lab.server import Server

ADDRESS = str(SERVICE.address(GATEWAY))
TELL, EXAMPLES = "/usr/local/sbin/tell", places.REPOSITORY / "examples/notify"
COMMAND = f"""#!/bin/sh
set -eu
/root/webhook http://{ADDRESS}:{receiver.HTTP}/hook "$@"
/root/mail root@example.com "$@"
"""
MSMTP = f"account default\nhost {ADDRESS}\nport {receiver.MAIL}\nfrom nvkeep@example.com\n"
BOTH = ("webhook", "mail")
NOTIFY = f"notify: {{command: [{TELL}], after: 5, timeout: 5}}\n"  # for a cluster.yaml


def prepare(server: Server) -> None:
    script(server, COMMAND)
    server.write("/etc/msmtprc", MSMTP)
    for name in BOTH:
        server.write(f"/root/{name}", (EXAMPLES / name).read_text())
        server.path(f"/root/{name}").chmod(0o755)
    databases.enable(server)


def script(server: Server, text: str) -> None:
    server.write(TELL, text)
    server.path(TELL).chmod(0o755)


class Told:
    """What is received while this is open."""

    def __init__(self, lab: Lab) -> None:
        self.file = places.STATE / "told"
        self.file.unlink(missing_ok=True)
        with (places.DISK / "receiver.log").open("ab") as output:
            argv = (*lab.network.enter(), sys.executable, str(Path(receiver.__file__)), ADDRESS, str(self.file))
            self.process = cgroups.spawn(cgroups.TOOLS, argv, output=output)
        until(self.file.exists, within=30, what="nobody receives")

    def all(self) -> list[tuple[str, ...]]:
        return [tuple(json.loads(line)) for line in self.file.read_text().splitlines()]

    def hear(self, server: Server, event: str, times: int = 1) -> None:
        wanted = [(by, server.name, event, "pg") for by in BOTH]
        until(
            lambda: all(self.all().count(line) == times for line in wanted),
            within=75, what=f"{server.name} does not tell {event} {times} times: {self.all()}",
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
