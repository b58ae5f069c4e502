"""The floor of a takeover: a resident that believes keepalived, attaches with preemption and checks nothing.

It shows what safety costs (`make bench-takeover`), and is good for nothing else: it asks neither whether somebody still serves,
nor whether an order keeps this host away, nor whether what it did has worked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lab import databases
from lab.network import SERVICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.databases import Database
    from lab.server import Server

HOME = "/usr/lib/nvkeep-floor"
UNIT = f"""\
[Unit]
After=nvmeshclient.service
Before=keepalived.service

[Service]
ExecStart=/usr/bin/python3 -IS {HOME}/resident.py {HOME}/services.json
Restart=always

[Install]
WantedBy=multi-user.target
"""
UNITS = ("floor.service", "keepalived.service")
GIVE = ("systemctl", "kill", "--signal=USR1", "floor.service")  # hand everything over


def enable(server: Server, served: Sequence[Database]) -> None:
    """Give a server without power the resident, and the keepalived.conf that nvkeep would have made."""
    for one in served:
        one.prepare(server)
    server.write(f"{HOME}/resident.py", Path(__file__).with_name("resident.py").read_text())
    server.write(f"{HOME}/services.json", json.dumps([_service(one) for one in served]))
    server.write("/etc/systemd/system/floor.service", UNIT)
    databases.enable(server, UNITS)


def _service(one: Database) -> dict[str, str]:
    return {
        "name": one.name, "volume": one.volume, "path": one.path, "interface": SERVICE.interface,
        "address": one.address, "unit": "" if one.bare else one.unit,
    }  # fmt: skip
