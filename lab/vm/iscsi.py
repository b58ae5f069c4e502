"""The SCSI volume: one LUN the target (LIO) exports over iSCSI, with persistent reservations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.commands import LabError, until
from lab.vm.wires import SERVICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.vm.machine import Machine

IQN = "iqn.2026-01.org.example:vol1"  # LIO wants a domain with a dot
SERIAL = "6e766b65-6570-4000-8000-000000000002"
FILE = "/srv/scsi.img"
SIZE_MB = 400
TOP = "/sys/kernel/config/target"
# Where LIO writes reservations that shall outlive it (APTPL); it does not make the directory itself.
STATE = "/etc/target"
STORE = f"{TOP}/core/fileio_0/vol1"
GROUP = f"{TOP}/iscsi/{IQN}/tpgt_1"


class Iscsi:
    """The volume on the target, and the hosts' ways to it."""

    def __init__(self, target: Machine, initiators: Sequence[str]) -> None:
        self.target = target
        self.initiators = tuple(initiators)

    def export(self) -> None:
        """Export the volume; its content stays over a boot of the target, and so do reservations made with APTPL."""
        target = self.target
        target.run(("mkdir", "-p", f"{STATE}/pr"))
        target.run(("modprobe", "--all", "target_core_mod", "target_core_file", "iscsi_target_mod"))
        target.run(("truncate", "-s", f"{SIZE_MB}M", FILE))
        target.write(f"{STORE}/control", f"fd_dev_name={FILE},fd_dev_size={SIZE_MB << 20}")
        target.write(f"{STORE}/enable", "1")
        target.write(f"{STORE}/wwn/vpd_unit_serial", SERIAL)
        self._restore()
        self._group()

    def _restore(self) -> None:
        """Give the kernel back the reservations it wrote down; it reads them no other way, and only before the export."""
        kept = self.target.run(("cat", f"{STATE}/pr/aptpl_{SERIAL}"), check=False).stdout
        for registration in kept.split("PR_REG_START")[1:]:
            lines = [line for line in registration.splitlines() if "=" in line]
            self.target.write(f"{STORE}/pr/res_aptpl_metadata", ",".join(lines))

    def _group(self) -> None:
        target = self.target
        target.run(("mkdir", "-p", f"{GROUP}/lun/lun_0", f"{GROUP}/np/{SERVICE.address(target.host)}:3260"))
        target.link(f"{GROUP}/lun/lun_0/vol1", STORE)
        target.write(f"{GROUP}/attrib/authentication", "0")
        for name in self.initiators:
            access = f"{GROUP}/acls/{initiator(name)}/lun_0"
            target.run(("mkdir", "-p", access))
            target.link(f"{access}/vol1", f"{GROUP}/lun/lun_0")
        target.write(f"{GROUP}/enable", "1")

    def connect(self, host: Machine) -> str:
        """Log a host in; return the device. Again does nothing."""
        if self._find(host) is None:
            host.write("/etc/iscsi/initiatorname.iscsi", f"InitiatorName={initiator(host.name)}\n")
            portal = f"{SERVICE.address(self.target.host)}:3260"
            node = ("iscsiadm", "--mode=node", f"--targetname={IQN}", f"--portal={portal}")
            host.run(("systemctl", "start", "iscsid.service"))
            # A record that a power cut left empty is one iscsiadm can neither use nor replace.
            host.run(("rm", "-rf", "/etc/iscsi/nodes"))
            host.run((*node, "--op=new"))
            host.run((*node, "--login"))
            until(lambda: self._find(host) is not None, within=30, what=f"the volume on {host.name}", every=0.1)
        return self.device(host)

    def device(self, host: Machine) -> str:
        """Return the device of the volume on a host."""
        found = self._find(host)
        if found is None:
            raise LabError(f"{host.name} is not logged in to {IQN}")
        return found

    @staticmethod
    def live(host: Machine) -> bool:
        """Return whether the host's sessions work; a host that lost one logs in again by itself."""
        states = host.run(("sh", "-c", "cat /sys/class/iscsi_session/session*/state"), check=False).stdout.split()
        return bool(states) and set(states) == {"LOGGED_IN"}

    def _find(self, host: Machine) -> str | None:
        link = f"/dev/disk/by-path/ip-{SERVICE.address(self.target.host)}:3260-iscsi-{IQN}-lun-0"
        done = host.run(("readlink", "--canonicalize-existing", link), check=False)
        return done.stdout.strip() or None

    def disconnect(self, host: Machine) -> None:
        """Log a host out."""
        host.run(("iscsiadm", "--mode=node", f"--targetname={IQN}", "--logout"))


def initiator(name: str) -> str:
    """Return the name a host logs in with."""
    return f"iqn.2026-01.org.example:{name}"
