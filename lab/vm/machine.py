"""One emulated machine: its disks, its power, and commands run in it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from lab.commands import LabError, environment, run, until
from lab.vm import places, wires
from lab.vm.channel import Channel, Monitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.network import Net
    from lab.vm.image import Image

MEMORY_MB = 768
# Three at once are up in 30 s on two processors with nothing else to do; this machine may be busy.
PATIENCE = 150.0
QEMU = (
    "qemu-system-x86_64",
    "-accel",
    "tcg,thread=multi,tb-size=512",
    "-cpu",
    "max,la57=off",
    "-machine",
    "q35,sata=off,smbus=off",
    "-smp",
    "1",
)
BARE = ("-display", "none", "-nodefaults", "-no-user-config", "-no-reboot")
KERNEL = (
    "root=/dev/nvme0n1 rw console=ttyS0 quiet mitigations=off apparmor=0 audit=0 tsc=reliable clocksource=tsc nokaslr"
    " panic=-1 net.ifnames=0"
)
PLAIN = "lsm=landlock,lockdown,yama,integrity"  # without SELinux, which the kernel would have by itself


class Machine:
    """A machine that can be booted, used, frozen and cut from its power."""

    def __init__(self, name: str, host: int, nets: tuple[Net, ...], data: dict[str, int | Path] | None = None) -> None:
        """Give it further disks with `data`, /dev/disk/by-id/virtio-NAME each: an empty one of so many MB, or a file."""
        self.name = name
        self.host = host
        self.nets = nets
        self.home = places.machine(name)
        self.sockets = places.sockets(name)
        self.data = data or {}
        self.identity = uuid.uuid4()
        self.security = PLAIN  # words for the kernel, from the next boot on
        self._kernel: Path | None = None
        self._qemu: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None

    # --- the disks

    def make_disks(self, image: Image) -> None:
        """Make the disk of this machine, a layer over the image, and its empty data disks."""
        self.home.mkdir(parents=True)
        self.sockets.mkdir(parents=True)
        run(("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.disk), "-F", "raw", str(self.home / "root.qcow2")))
        for name, size in self.data.items():
            if isinstance(size, int):
                run(("truncate", "-s", f"{size}M", str(self.home / f"{name}.img")))
        self._kernel = image.kernel

    def _drives(self) -> list[str]:
        words = ["-drive", f"if=none,id=root,file={self.home}/root.qcow2,format=qcow2,cache=unsafe"]
        words += ["-device", "nvme,drive=root,serial=root"]
        for name, disk in self.data.items():
            path, extra = (disk, ",read-only=on") if isinstance(disk, Path) else (self.home / f"{name}.img", "")
            words += ["-drive", f"if=none,id={name},file={path},format=raw,cache=unsafe{extra}"]
            # Not a second nvme device: two are found in no fixed order, and the root must be nvme0.
            words += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
        return words

    def _cards(self) -> list[str]:
        words: list[str] = []
        for net in self.nets:
            tap = wires.tap(self.name, net)
            words += ["-netdev", f"tap,id={net.interface},ifname={tap},script=no,downscript=no"]
            words += ["-device", f"virtio-net-pci,netdev={net.interface},mac={net.mac(self.host)},romfile="]
        return words

    def _words(self) -> str:
        nets = " ".join(f"lab.net={net.interface}:{net.address(self.host)}/24" for net in self.nets)
        return f"{KERNEL} {self.security} systemd.hostname={self.name} systemd.machine_id={self.identity.hex} {nets}"

    def _command(self) -> tuple[str, ...]:
        return (
            *wires.enter(),
            *QEMU,
            *("-m", str(MEMORY_MB)),
            *BARE,
            *("-kernel", str(self._kernel), "-append", self._words()),
            *("-serial", f"file:{self.home}/console.log"),
            *("-pidfile", str(self.sockets / "pid")),
            *("-qmp", f"unix:{self.sockets}/qmp,server=on,wait=off"),
            *("-chardev", f"socket,id=agent,path={self.sockets}/agent,server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=lab.agent"),
            *("-device", "virtio-rng-pci"),
            *self._drives(),
            *self._cards(),
        )

    # --- power

    def start(self) -> None:
        """Switch the power on; the machine is not up yet when this returns (see `wait_up`)."""
        if self.alive:
            raise LabError(f"{self.name} is on already")
        for left in ("pid", "qmp", "agent"):
            (self.sockets / left).unlink(missing_ok=True)
        with (self.home / "qemu.log").open("ab") as log:
            self._qemu = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )
        try:
            self._channel = Channel(self.sockets / "agent", self.name)
        except LabError as error:
            raise LabError(f"{error}\n{(self.home / 'qemu.log').read_text()}") from error

    def wait_up(self, within: float = PATIENCE) -> None:
        """Wait until commands can be run; raise LabError with the console's last lines if they cannot."""
        try:
            self._agent.wait_up(within)
        except LabError as error:
            raise LabError(f"{error}\n{self.console()}") from error

    def boot(self, within: float = PATIENCE) -> None:
        """Switch the power on and wait until the machine is up."""
        self.start()
        self.wait_up(within)

    power_on = boot

    def power_cut(self) -> None:
        """Cut the power: everything in the machine is gone at once, and so is what it had not written yet."""
        if self._qemu is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._qemu.pid, signal.SIGKILL)
            self._qemu.wait(30)
        if self._channel is not None:
            self._channel.close()
        self._qemu = self._channel = None

    def shut_down(self, within: float = 90) -> None:
        """Switch off from inside, in order, and wait until the machine is off."""
        self.run(("systemctl", "--no-block", "poweroff"))
        until(lambda: not self.alive, within=within, what=f"{self.name} is off", every=0.2)
        self.power_cut()

    stop = power_cut

    def freeze(self) -> None:
        """Stop the machine's processor: to all others it is as dead as one that is off."""
        self._monitor("stop")

    def thaw(self) -> None:
        """Let a frozen machine go on where it was."""
        self._monitor("cont")

    def _monitor(self, command: str) -> None:
        if not self.alive:
            raise LabError(f"{self.name} is off")
        with contextlib.closing(Monitor(self.sockets / "qmp")) as monitor:
            monitor.execute(command)

    # --- use

    @property
    def alive(self) -> bool:
        """Whether the machine has power."""
        return self._qemu is not None and self._qemu.poll() is None

    @property
    def boot_id(self) -> str:
        """Return the kernel's name of this boot."""
        return self._agent.boot or ""

    @property
    def _agent(self) -> Channel:
        if self._channel is None:
            raise LabError(f"{self.name} is off")
        return self._channel

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 30,
        check: bool = True,
        feed: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine to its end; raise LabError when it fails (check) or is late."""
        done = self._agent.run(argv, timeout, feed)
        if check and done.returncode:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise LabError(f"{self.name}: {' '.join(argv)}: exit {done.returncode}: {said}")
        return done

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        """Write a file in the machine, making its directories; a configfs directory is made the same way."""
        self._agent.write(path, text.encode(), mode)

    def read(self, path: str) -> str:
        """Return the text of a file in the machine."""
        return self._agent.read(path).decode(errors="replace")

    def link(self, path: str, to: str) -> None:
        """Make a symbolic link in the machine."""
        self._agent.link(path, to)

    def cut(self, net: Net = wires.SERVICE) -> None:
        """Cut the machine off one network."""
        wires.cut(self.name, net)

    def heal(self, net: Net = wires.SERVICE) -> None:
        """Undo `cut`."""
        wires.heal(self.name, net)

    def journal(self, unit: str | None = None, lines: int = 200) -> str:
        """Return the last lines of this boot's journal, of one unit or of all."""
        which = () if unit is None else ("--unit", unit)
        return self.run(("journalctl", "--no-pager", "-b", "-n", str(lines), "-o", "short-precise", *which)).stdout

    def kernel_log(self, lines: int = 200) -> str:
        """Return the last lines the kernel said."""
        return "\n".join(self.run(("dmesg",)).stdout.splitlines()[-lines:])

    def console(self, lines: int = 30) -> str:
        """Return the last lines the machine wrote on its console."""
        log = self.home / "console.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
