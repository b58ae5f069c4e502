"""Two hosts and the storage they share: `with Farm() as farm:` boots all three, and takes everything away afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lab import single
from lab.commands import run, until
from lab.places import REPOSITORY
from lab.single import Single
from lab.vm import image, needs, places, wires
from lab.vm.iscsi import Iscsi
from lab.vm.machine import Machine
from lab.vm.mirror import SIZE_MB, Mirror
from lab.vm.nvme import Nvme
from lab.vm.wires import REPLICATION, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.vm.image import Image

INSTALL = REPOSITORY / "packaging/install"
TREE = "nvkeep"
TREE_MB = 256


class Farm(Single):
    """Hosts `a` and `b` and the `target`; one farm at a time on a machine.

    The volumes are there but not connected: `nvme` and `iscsi` on the target, `mirror` (DRBD) between the hosts. `client` is
    off until somebody needs it.
    """

    def __init__(self, *, install: bool = False) -> None:
        super().__init__("farm", places.LOCK, needs.lacking)
        self.install = install
        shown = {TREE: places.DISK / "nvkeep.img"} if install else {}
        self.a = Machine("srv-a", 1, (SERVICE, REPLICATION), {"mirror": SIZE_MB, **shown})
        self.b = Machine("srv-b", 2, (SERVICE, REPLICATION), {"mirror": SIZE_MB, **shown})
        self.target = Machine("target", 3, (SERVICE,))
        self.client = Machine("client", 4, (SERVICE,))
        self.nvme = Nvme(self.target)
        self.iscsi = Iscsi(self.target, [host.name for host in self.hosts])
        self.mirror = Mirror(self.a, self.b)

    def __iter__(self) -> Iterator[Machine]:
        return iter((self.a, self.b, self.target))

    @property
    def hosts(self) -> tuple[Machine, Machine]:
        """The two hosts."""
        return self.a, self.b

    def other(self, host: Machine) -> Machine:
        """Return the other host."""
        return self.b if host is self.a else self.a

    def _build(self) -> None:
        clean()
        ready = image.ensure()
        places.DISK.mkdir(parents=True)
        wires.make()
        self._switch_on(self.target, ready)
        if self.install:
            pack(ready.root)  # while the target boots
        for host in self.hosts:
            self._switch_on(host, ready)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(self._bring_up, self))

    @staticmethod
    def _switch_on(machine: Machine, ready: Image) -> None:
        machine.make_disks(ready)
        wires.plug(machine.name, machine.nets)
        machine.start()

    def _bring_up(self, machine: Machine) -> None:
        machine.wait_up()
        if TREE in machine.data:
            unpack(machine)
        if machine is self.target:
            self.start_target()

    def start_client(self) -> None:
        """Switch the client on, and wait until it is up; every time it is a fresh one."""
        self.stop_client()
        self._switch_on(self.client, image.ensure())
        self.client.wait_up()

    def stop_client(self) -> None:
        """Cut the client's power, and take its disk and its cable away."""
        self.client.power_cut()
        wires.unplug(self.client.name, self.client.nets)
        for directory in (self.client.home, self.client.sockets):
            shutil.rmtree(directory, ignore_errors=True)

    def start_target(self) -> None:
        """Export the volumes; after a boot of the target nothing is exported until this is called."""
        self.nvme.export()
        self.iscsi.export()

    def _end(self) -> None:
        with contextlib.ExitStack() as last:
            last.callback(clean)
            for machine in (*self, self.client):
                last.callback(machine.power_cut)


def pack(root: Path) -> None:
    """Install nvkeep from this checkout into a layer over the machines' tree, and make a disk of the layer."""
    home = places.DISK / "layer"
    for part in ("upper", "work", "root"):
        (home / part).mkdir(parents=True)
    options = f"lowerdir={root},upperdir={home}/upper,workdir={home}/work,volatile"
    run(("mount", "-t", "overlay", "-o", options, "nvkeep-farm", str(home / "root")))
    try:
        run((str(INSTALL), str(home / "root")), timeout=300)
    finally:
        run(("umount", str(home / "root")))
    image.make_disk(places.DISK / "nvkeep.img", TREE_MB, home / "upper")


def unpack(machine: Machine) -> None:
    """Copy what `pack` made into a machine."""
    disk = f"/dev/disk/by-id/virtio-{TREE}"
    machine.run(("udevadm", "wait", "--timeout=20", disk))
    machine.run(("mount", "-o", "ro", disk, "/mnt"))
    machine.run(("cp", "-a", "/mnt/usr", "/mnt/etc", "/"), timeout=90)
    machine.run(("umount", "/mnt"))
    machine.run(("systemd-tmpfiles", "--create", "nvkeep.conf"))
    machine.run(("systemctl", "daemon-reload"))
    machine.run(("sync",))


def clean_unused() -> None:
    """Take away leftovers, but not from under a farm that is up."""
    with single.lock(places.LOCK, "farm"):
        clean()


def clean() -> None:
    """Take away whatever a farm has left on this machine: processes, mounts, networks, files."""
    for pidfile in places.STATE.glob("*/pid"):
        _kill(pidfile)
    run(("umount", "--lazy", str(places.DISK / "layer/root")), check=False)
    wires.remove()
    for directory in (places.DISK, places.STATE):
        shutil.rmtree(directory, ignore_errors=True)


def _kill(pidfile: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        pid = int(pidfile.read_text())
        if _is_ours(pid, pidfile):
            os.kill(pid, signal.SIGKILL)
            until(lambda: not _is_ours(pid, pidfile), within=10, what=f"qemu {pid} ends")


def _is_ours(pid: int, pidfile: Path) -> bool:
    """Return whether it was started with this very file: a pid may be another's by now."""
    try:
        return str(pidfile).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
