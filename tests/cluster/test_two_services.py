"""Two services on one pair: the trouble of one is not the other's. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import protected
from lab.cluster import Lab
from lab.commands import until

if TYPE_CHECKING:
    from lab.server import Server

OTHER = """\
  other:
    hosts: [srv-b, srv-a]
    volumes: [{name: vol10}]
    mounts: [{volume: vol10, path: /srv/other, fstype: ext4}]
    addresses: [{address: 10.77.0.11/24, interface: host0, label: "host0:o"}, {address: "fd77::11/64", interface: host0}]
"""


def serves_other(server: Server) -> bool:
    if not server.alive:
        return False
    seen = server.run(("ip", "-br", "addr", "show", "dev", "host0")).stdout
    return " /srv/other " in server.read("/proc/1/mountinfo") and "10.77.0.11/24" in seen and "fd77::11/64" in seen


def test_a_volume_without_io_does_not_delay_the_other_service() -> None:
    with Lab(volumes=("vol1", "vol10"), config=protected.config(4) + OTHER, prepare=protected.prepare) as lab:
        first = protected.active_server(lab)
        second = next(server for server in lab if server is not first)
        until(lambda: any(map(serves_other, lab)), within=30, what="the other service runs nowhere")
        holder = next(server for server in lab if serves_other(server))
        heir = second if holder is first else first
        lab.storage.io_delay(None, "vol1")  # whoever takes vol1 from now on never gets I/O
        holder.power_cut()
        until(lambda: serves_other(heir), within=15, what="the other service was delayed")
        status = heir.run(("nvkeep", "status", "--local", "other"), check=False)
        assert "[OK] FLOATING IP: host0 fd77::11/64" in status.stdout
        assert "[OK] VOLUME: vol10" in status.stdout
