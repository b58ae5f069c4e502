"""One real server: an overlay over the base, booted by systemd-nspawn with systemd as its first process."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cgroups, nspawn, places
from lab.commands import LabError, run, until
from lab.network import GATEWAY, SERVICE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from lab.network import Network
    from lab.storage import Storage

# Each boot of each server numbers its processes from elsewhere, as real ones do: PostgreSQL does not start over the pid file of
# a server that died while a PostgreSQL of the same pid runs here.
PIDS, PIDS_A_BOOT = 6000, 700


class Server:
    """A server that can be booted, used, frozen, rebooted and cut from its power."""

    def __init__(self, name: str, host: int, network: Network, storage: Storage) -> None:
        self.name = name
        self.host = host
        self.network = network
        self.storage = storage
        self.home = places.server(name)
        self.root = self.home / "root"
        self.boots = 0
        self._frozen = False
        self._ending = False
        self._power = threading.Lock()  # a boot that has begun is visible to whoever ends everything
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._watcher: threading.Thread | None = None

    # --- the disk

    def install_disk(self, layers: Sequence[Path]) -> None:
        """Make the disk of this server: a layer over others, topmost first, with a name and an identity of its own."""
        overlay(layers, self.home)
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        self.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVICE.address(self.host)} {self.name}\n")

    def path(self, path: str) -> Path:
        """Return where a file of this server is, seen from outside: on the disk, or in the running server."""
        pid = self._pid
        return (Path(f"/proc/{pid}/root") if pid else self.root) / path.lstrip("/")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the server, running or not, making its directories."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def read(self, path: str) -> str:
        """Return the text of a file in the server, running or not."""
        return self.path(path).read_text(errors="replace")

    # --- power

    def start(self) -> None:
        """Switch the power on; the server is not up yet when this returns (see `wait_up`)."""
        if self.alive:
            raise LabError(f"{self.name} is on already")
        self._begin()
        self._watcher = threading.Thread(target=self._watch, name=f"power of {self.name}", daemon=True)
        self._watcher.start()

    def boot(self, within: float = 60) -> None:
        """Switch the power on and wait until the server is up."""
        self.start()
        self.wait_up(within)

    power_on = boot

    def _begin(self) -> None:
        with self._power:
            if self._ending:
                return
            self.storage.control("power", host=self.name, on=True)
            namespace = self.network.plug(self.name, self.host)
            with (self.home / "console.log").open("ab") as console:
                self._nspawn = cgroups.spawn(self.name, nspawn.command(self.name, namespace), output=console)
            self.boots += 1

    def _watch(self) -> None:
        while self._nspawn is not None:
            code = self._nspawn.wait()
            self._pid = None
            if self._ending:
                return
            self._off()
            if code != nspawn.REBOOT:
                return
            self._begin()

    def _off(self) -> None:
        self.network.unplug(self.name)
        self.storage.control("power", host=self.name, on=False)

    def wait_up(self, within: float = 60) -> None:
        """Wait until systemd says running or degraded; raise LabError with the console's last lines if it does not."""
        deadline = time.monotonic() + within
        try:
            until(lambda: self._init() is not None, within=within, what=f"{self.name}: no init")
            private = "/run/systemd/private"
            until(lambda: self.path(private).exists(), within=within, what=f"{self.name}: systemd does not answer")
            left = max(deadline - time.monotonic(), 1)
            state = self.run(("systemctl", "is-system-running", "--wait"), timeout=left, check=False).stdout.strip()
        except LabError as error:
            raise LabError(f"{error}\n{self.console()}") from error
        if state not in ("running", "degraded"):
            raise LabError(f"{self.name} is {state or 'not up'}\n{self.console()}")

    def _init(self) -> int | None:
        if self._pid is None and self._nspawn is not None:
            self._pid = nspawn.init(self.name)
            if self._pid is not None:
                nspawn.number_from(self._pid, PIDS * self.host + PIDS_A_BOOT * (self.boots % 8))
        return self._pid

    def power_cut(self, *, lose_caches: bool = True) -> None:
        """Cut the power: everything in the server is gone at once, and so is what it had not written yet.

        With lose_caches the storage is cut off first: the kernel writes dirty pages when a dead container's mounts
        go, which a machine without power does not. What was on the server's own root disk stays.
        """
        pid = self.pid
        # Frozen first: between the cut and the kill, programs would see errors and tell their clients about them.
        cgroups.freeze(self.name, frozen=True, settle=False)
        self.network.go_dark(self.name)
        if lose_caches:
            self.storage.control("cut", host=self.name, how="fail")
        os.kill(pid, signal.SIGKILL)
        self.network.unplug(self.name)
        self.thaw()
        self._join()

    def _join(self, within: float = 30) -> None:
        if self._frozen:
            self.thaw()
        if self._watcher is not None:
            self._watcher.join(within)
            if self._watcher.is_alive():
                raise LabError(f"{self.name} does not end; look at {self.home}/console.log")
        self._watcher = None

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Let the server end in this block by whatever means, without a thought for network and storage."""
        with self._power:
            self._ending = True
        yield
        self._frozen = False
        self._join()

    def reboot(self, within: float = 90) -> None:
        """Reboot from inside, in order, and wait until the server is up again."""
        before = self.boots
        self.run(("systemctl", "reboot"))
        until(lambda: self.boots > before, within=within, what=f"{self.name}: did not go down for its reboot")
        self.wait_up(within)

    def shut_down(self, within: float = 90) -> None:
        """Switch off from inside, in order, and wait until the server is off."""
        self.run(("systemctl", "poweroff"))
        self._join(within)

    # --- use

    @property
    def pid(self) -> int:
        """The first process of the server, as seen from outside; raise LabError when it is off."""
        pid = self._init()
        if pid is None:
            raise LabError(f"{self.name} is off")
        return pid

    @property
    def alive(self) -> bool:
        """Whether the server has power."""
        return self._watcher is not None and self._watcher.is_alive()

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 20,
        check: bool = True,
        feed: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the server to its end; raise LabError when it fails (check) or is late."""
        if self._frozen:
            raise LabError(f"{self.name} is frozen")
        return run(("nsenter", "-t", str(self.pid), "-a", *argv), timeout=timeout, check=check, feed=feed)

    def freeze(self) -> None:
        """Stop every process of the server as one; its network stack and its kernel go on, so its address still answers."""
        cgroups.freeze(self.name, frozen=True)
        self._frozen = True

    @property
    def awake(self) -> bool:
        """Whether the server has power and is not frozen: it can be asked."""
        return self.alive and not self._frozen

    def thaw(self) -> None:
        """Let a frozen server go on where it was."""
        cgroups.freeze(self.name, frozen=False)
        self._frozen = False

    def interface(self, name: str, *, up: bool) -> None:
        """Set an interface up or down inside, and give it back the default route that down took away."""
        self.run(("ip", "link", "set", name, "up" if up else "down"))
        if up and name == SERVICE.interface:
            self.run(("ip", "route", "replace", "default", "via", SERVICE.address(GATEWAY)))

    def journal(self, unit: str | None = None, lines: int = 200) -> str:
        """Return the last lines of this boot's journal, of one unit or of all."""
        which = () if unit is None else ("--unit", unit)
        return self.run(("journalctl", "--no-pager", "-b", "-n", str(lines), "-o", "short-precise", *which)).stdout

    def console(self, lines: int = 30) -> str:
        """Return the last lines the server wrote on its console."""
        return "\n".join((self.home / "console.log").read_text(errors="replace").splitlines()[-lines:])


def overlay(layers: Sequence[Path], home: Path) -> Path:
    """Mount a layer of its own, kept in `home`, over others; return where."""
    for part in ("upper", "work", "root"):
        (home / part).mkdir(parents=True)
    # volatile: what must survive a power cut here is the volume; syncing the root disk would only cost time.
    lower = ":".join(map(str, layers))
    options = f"lowerdir={lower},upperdir={home}/upper,workdir={home}/work,volatile"
    run(("mount", "-t", "overlay", "-o", options, f"nvkeep-lab-{home.name}", str(home / "root")))
    return home / "root"
