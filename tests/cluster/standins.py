"""Stand-ins for what a guide needs and no registry has: BeeGFS, by units of the same names and shape (lab/tools/beegfs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cluster import TOOLS

if TYPE_CHECKING:
    from lab.server import Server

PROGRAM = TOOLS / "beegfs"
KINDS = ("mgmtd", "meta", "storage")
VOLUMES = tuple(f"{kind}-{name}" for name in "ab" for kind in KINDS)
PORTS = (8008, 8005, 8003)
SHIFT = 100
CLIENTS = tuple(
    ("lines", address, port + shift) for address, shift in (("10.77.0.10", 0), ("10.77.0.11", SHIFT)) for port in PORTS
)
UNIT = """\
[Unit]
Description=BeeGFS {kind} (a stand-in), instance %i
Wants=network-online.target
After=network-online.target
[Service]
ExecStart=/opt/beegfs/sbin/beegfs-{kind} cfgFile=/etc/beegfs/%i.d/beegfs-{kind}.conf runDaemonized=false
[Install]
WantedBy=multi-user.target
"""


def install(server: Server) -> None:
    """Put in a server without power what BeeGFS's packages would."""
    program = PROGRAM.read_text()
    for kind in KINDS:
        server.write(f"/opt/beegfs/sbin/beegfs-{kind}", program, 0o755)
        server.write(f"/opt/beegfs/sbin/beegfs-setup-{kind}", program, 0o755)
        server.write(f"/usr/lib/systemd/system/beegfs-{kind}@.service", UNIT.format(kind=kind))
