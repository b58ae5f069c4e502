"""A second way from each host to the SCSI volume, and the map over both: dm-multipath and multipathd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.commands import until
from lab.vm.iscsi import GROUP, IQN
from lab.vm.wires import SERVICE

if TYPE_CHECKING:
    from lab.vm.farm import Farm
    from lab.vm.machine import Machine

PORT = 3261  # of the second portal
MAP = "/dev/disk/by-id/dm-uuid-mpath-360014056e766b6565704000800000000"
FILE = "/etc/multipath.conf"
# A map without a way left fails instead of waiting for ever; the keys that mpathpersist sets are kept in a file.
CONFIG = """\
defaults {
  find_multipaths no
  reservation_key file
  no_path_retry fail
  polling_interval 2
}
blacklist {
  devnode "^(nvme|vd|drbd)"
}
devices {
  device {
    vendor "LIO-ORG"
    product ".*"
    no_path_retry fail
  }
}
"""


class Multipath:
    """The map on both hosts."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.portal = f"{SERVICE.address(farm.target.host)}:{PORT}"
        farm.target.run(("mkdir", "-p", f"{GROUP}/np/{self.portal}"))

    def make(self, host: Machine) -> None:
        """Log a host in a second time, and have multipathd make the map."""
        self.farm.iscsi.connect(host)
        host.run((*self._node(), "--op=new"))
        host.run((*self._node(), "--login"))
        host.write(FILE, CONFIG)
        host.run(("modprobe", "--all", "dm-multipath", "dm-service-time"))
        host.run(("/sbin/multipathd",))
        until(lambda: len(self.ways(host)) == 2, within=30, what=f"two ways on {host.name}", every=0.5)  # noqa: PLR2004

    def ways(self, host: Machine) -> list[str]:
        """Return the disks below the map."""
        name = host.run(("readlink", "--canonicalize-existing", MAP), check=False).stdout.strip().rpartition("/")[2]
        return host.run(("ls", f"/sys/block/{name}/slaves"), check=False).stdout.split() if name else []

    def fail(self, host: Machine, *ways: str) -> None:
        """Let disks below the map fail."""
        for way in ways:
            host.write(f"/sys/block/{way}/device/state", "offline\n")

    def remove(self, host: Machine) -> None:
        """Boot a host without the map: one whose ways have failed releases nothing."""
        host.run(("rm", "-f", FILE, "/etc/multipath/prkeys", "/etc/multipath/wwids"))
        host.run(("sync",))
        host.power_cut()
        host.boot()

    def _node(self) -> tuple[str, ...]:
        return ("iscsiadm", "--mode=node", f"--targetname={IQN}", f"--portal={self.portal}")
