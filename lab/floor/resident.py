"""Runs in a server: takes what keepalived says, gives what it takes away. See lab/floor/__init__.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FIFO, LOGS = "/run/nvkeep/vrrp.fifo", "/var/log/nvkeep"
ARP, EVERYONE = 0x0806, b"\xff" * 6
TRIES, RETRY_S = 100, 0.05
AWAY_S = 5.0  # for which what was handed over is not wanted back


class Service:
    """One service, in a thread of its own."""

    def __init__(self, data: dict[str, str]) -> None:
        self.name, self.volume, self.path = data["name"], data["volume"], data["path"]
        self.interface, self.address, self.unit = data["interface"], data["address"], data["unit"]
        self.lock = threading.Lock()
        self.held = False
        self.flag(up=True)

    def flag(self, *, up: bool) -> None:
        """Write what keepalived tracks."""
        Path(f"/run/nvkeep/eligible/{self.name}").write_text("1\n" if up else "0\n", encoding="ascii")

    def turn(self, role: str) -> None:
        """Do what a role calls for."""
        with self.lock:
            if role == "MASTER" and not self.held:
                self._take()
            elif role != "MASTER" and self.held:
                self._give()

    def leave(self) -> None:
        """Give everything back, and only then the role."""
        with self.lock:
            if self.held:
                self._give()
                self.flag(up=False)
                threading.Timer(AWAY_S, self.flag, kwargs={"up": True}).start()

    def _take(self) -> None:
        self.held = True
        log("actions", f"{self.name}: line 7: seize")
        run("nvmesh_attach_volumes", "--json", "--access", "EXCLUSIVE_READ_WRITE", "--preempt", self.volume)
        log("actions", f"{self.name}: volume {self.volume}: seize: converged")
        run("mount", "-t", "ext4", "-o", "noatime,X-mount.mkdir", f"/dev/nvmesh/{self.volume}", self.path)
        log("actions", f"{self.name}: mount {self.path}: acquire: converged")
        run("ip", "address", "replace", f"{self.address}/24", "dev", self.interface)
        announce(self.interface, self.address)
        log("actions", f"{self.name}: address {self.address}: acquire: converged")
        if self.unit:
            run("systemctl", "start", self.unit)
            log("actions", f"{self.name}: service {self.unit}: acquire: converged")

    def _give(self) -> None:
        self.held = False
        if self.unit:
            run("systemctl", "stop", self.unit)
        run("ip", "address", "del", f"{self.address}/24", "dev", self.interface)
        run("umount", self.path)
        run("nvmesh_detach_volumes", "--json", self.volume)


def run(*argv: str) -> None:
    """Run a command until it works; what it did is nobody's business here."""
    for _ in range(TRIES):
        if not subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode:
            return
        time.sleep(RETRY_S)


def announce(interface: str, address: str) -> None:
    """Tell the neighbours (RFC 826, a gratuitous request)."""
    mac = bytes.fromhex(Path(f"/sys/class/net/{interface}/address").read_text(encoding="ascii").replace(":", ""))
    ip = socket.inet_aton(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, ARP))
        wire.send(EVERYONE + mac + struct.pack("!HHHBBH", ARP, 1, 0x0800, 6, 4, 1) + mac + ip + b"\0" * 6 + ip)


def leave(services: Iterable[Service]) -> None:
    """Give everything back, side by side."""
    for one in services:
        threading.Thread(target=one.leave).start()


def log(name: str, text: str) -> None:
    """Write a line with its time, as nvkeep does."""
    with Path(f"{LOGS}/{name}.log").open("a", encoding="ascii") as stream:
        stream.write(f"{datetime.now(UTC).isoformat()}: {text}\n")


def main() -> None:
    """Turn with every line of keepalived's."""
    services = {data["name"]: Service(data) for data in json.loads(Path(sys.argv[1]).read_text(encoding="ascii"))}
    signal.signal(signal.SIGUSR1, lambda *_: leave(services.values()))
    with os.fdopen(os.open(FIFO, os.O_RDWR), encoding="ascii") as fifo:  # for both: it never ends
        for line in fifo:
            _, instance, role, *_ = line.replace('"', "").split()
            log("event_handler", f"{instance} {role} ")
            if one := services.get(instance.partition("@")[0]):
                threading.Thread(target=one.turn, args=(role,)).start()


if __name__ == "__main__":
    main()
