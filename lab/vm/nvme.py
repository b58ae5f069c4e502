"""The NVMe volume: one namespace the target exports over TCP, with reservations."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from lab.commands import LabError, until
from lab.vm.wires import SERVICE

if TYPE_CHECKING:
    from lab.vm.machine import Machine

NQN = "nqn.2026-01.org.example:vol1"
NGUID = "6e766b65-6570-4000-8000-000000000001"
SERIAL = "nvkeeplab0001"
FILE = "/srv/nvme.img"
SIZE_MB = 400
TOP = "/sys/kernel/config/nvmet"
SUBSYSTEM = f"{TOP}/subsystems/{NQN}"
NAMESPACE = f"{SUBSYSTEM}/namespaces/1"
PORT = f"{TOP}/ports/1"
# The target forgets a host that is silent for twice this long; a host counts on the target's death as early.
KEEP_ALIVE = 5


class Nvme:
    """The volume on the target, and the hosts' ways to it."""

    def __init__(self, target: Machine) -> None:
        self.target = target

    def export(self) -> None:
        """Export the volume; its content stays over a boot of the target, its reservations do not."""
        target = self.target
        target.run(("modprobe", "--all", "nvmet", "nvmet-tcp"))
        target.run(("truncate", "-s", f"{SIZE_MB}M", FILE))
        for key, value in (("allow_any_host", "1"), ("serial", SERIAL), ("model", "nvkeep lab")):
            target.write(f"{SUBSYSTEM}/attr_{key}", value)
        for key, value in (("device_path", FILE), ("device_uuid", NGUID), ("resv_enable", "1"), ("enable", "1")):
            target.write(f"{NAMESPACE}/{key}", value)
        address = target.nets[0].address(target.host)
        for key, value in (("trtype", "tcp"), ("adrfam", "ipv4"), ("traddr", address), ("trsvcid", "4420")):
            target.write(f"{PORT}/addr_{key}", value)
        target.link(f"{PORT}/subsystems/{NQN}", SUBSYSTEM)

    def connect(self, host: Machine) -> str:
        """Connect a host, with an identity that outlives its reboots; return the device. Again does nothing."""
        if self._find(host) is None:
            identity = str(uuid.UUID(int=host.host))
            host.write("/etc/nvme/hostid", f"{identity}\n")
            host.write("/etc/nvme/hostnqn", f"nqn.2014-08.org.nvmexpress:uuid:{identity}\n")
            host.run(("modprobe", "nvme-tcp"))
            where = ("--transport=tcp", f"--traddr={SERVICE.address(self.target.host)}", "--trsvcid=4420", f"--nqn={NQN}")
            timeouts = (f"--keep-alive-tmo={KEEP_ALIVE}", "--reconnect-delay=2", "--ctrl-loss-tmo=600")
            host.run(("nvme", "connect", *where, *timeouts))
            until(lambda: self._find(host) is not None, within=30, what=f"the volume on {host.name}", every=0.1)
        return self.device(host)

    def live(self, host: Machine) -> bool:
        """Return whether the host's way to the target works; a host that lost it reconnects by itself."""
        listed = json.loads(host.run(("nvme", "list-subsys", "--output-format=json")).stdout)
        systems = [system for entry in listed for system in entry["Subsystems"] if system["NQN"] == NQN]
        return any(path["State"] == "live" for system in systems for path in system["Paths"])

    def device(self, host: Machine) -> str:
        """Return the device of the volume on a host."""
        found = self._find(host)
        if found is None:
            raise LabError(f"{host.name} is not connected to {NQN}")
        return found

    @staticmethod
    def _find(host: Machine) -> str | None:
        link = f"/dev/disk/by-id/nvme-uuid.{NGUID}"
        done = host.run(("readlink", "--canonicalize-existing", link), check=False)
        return done.stdout.strip() or None

    def disconnect(self, host: Machine) -> None:
        """Disconnect a host."""
        host.run(("nvme", "disconnect", f"--nqn={NQN}"))
