"""The DRBD volume: one resource between the two hosts, over the replication network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.commands import until
from lab.vm.wires import REPLICATION

if TYPE_CHECKING:
    from lab.vm.machine import Machine

RESOURCE = "r0"
DEVICE = "/dev/drbd/by-res/r0/0"
SIZE_MB = 320  # xfs wants 300
FILE = "/etc/drbd.d/r0.res"
CONFIG = """\
resource r0 {{
  net {{ protocol C; ping-int 2; connect-int 3; timeout 30; }}
  disk {{ fencing {fencing}; c-plan-ahead 0; resync-rate 200M; }}
  volume 0 {{ device /dev/drbd0; disk /dev/disk/by-id/virtio-mirror; meta-disk internal; }}
{sides}}}
"""
# Without it a host that comes back alone after a crash calls its old data UpToDate, and becomes Primary when asked.
FENCING = "resource-and-stonith"


class Mirror:
    """The resource on both hosts."""

    def __init__(self, a: Machine, b: Machine) -> None:
        self.hosts = (a, b)

    def create(self, *, fencing: str = FENCING) -> None:
        """Make the resource again, up and in sync on both hosts, Secondary on both; nothing is on it."""
        sides = "".join(f"  on {host.name} {{ address {REPLICATION.address(host.host)}:7789; }}\n" for host in self.hosts)
        for host in self.hosts:
            self.down(host)
            host.write(FILE, CONFIG.format(fencing=fencing, sides=sides))
            host.run(("sync", FILE))  # or a power cut leaves it empty
        for host in self.hosts:
            host.run(("drbdadm", "create-md", "--force", RESOURCE))
            self.up(host)
        first, _ = self.hosts
        first.run(("drbdadm", "wait-connect", RESOURCE))
        # Both are empty and so the same: there is nothing to copy.
        first.run(("drbdadm", "new-current-uuid", "--clear-bitmap", f"{RESOURCE}/0"))

    def up(self, host: Machine) -> None:
        """Bring the resource up on one host, after its boot."""
        host.run(("modprobe", "drbd"))
        host.run(("drbdadm", "up", RESOURCE))

    def down(self, host: Machine) -> None:
        """Take the resource down on one host; nothing may use it."""
        host.run(("modprobe", "drbd"))
        host.run(("drbdadm", "down", RESOURCE), check=False)  # the file may not be there yet

    def state(self, host: Machine) -> str:
        """Return what DRBD says of the resource on one host, for programs to read."""
        return host.run(("drbdsetup", "events2", "--now", RESOURCE)).stdout

    def wait(self, host: Machine, words: str, within: float = 60) -> None:
        """Wait until DRBD says these words of the resource."""
        until(lambda: words in self.state(host), within=within, what=f"{host.name}: {words}", every=0.3)

    def wait_refused(self) -> None:
        """Wait until the hosts have met with two histories: whichever sees it first hangs up, the other may go on calling."""
        until(
            lambda: any("connection:StandAlone" in self.state(host) for host in self.hosts),
            within=60,
            what="DRBD refuses to mix two histories",
            every=0.3,
        )
