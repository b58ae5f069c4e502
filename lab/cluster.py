"""The lab as a whole: `with Lab() as lab:` gives two servers that are up, and takes everything away afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lab import base, cgroups, layers, needs, network, places, single, storage
from lab.client import Writer
from lab.commands import LabError, run
from lab.network import FLOATING, Network
from lab.server import Server, overlay
from lab.single import Single
from lab.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BUILD = places.REPOSITORY / "packaging/build.py"
TOOLS = Path(__file__).with_name("tools")
PLACED = {
    "nvmesh_sim.py": ("usr/lib/nvmesh-sim", 0o644),
    "nvmeshclient.service": ("etc/systemd/system", 0o644),
}
OLD_COMMANDS, NEW_COMMANDS = ("nvmesh_attach_volumes", "nvmesh_detach_volumes"), ("nvmesh",)
COMMANDS = {"1.x": OLD_COMMANDS, "2.x": OLD_COMMANDS, "3.x": NEW_COMMANDS, "both": OLD_COMMANDS + NEW_COMMANDS, "none": ()}
MANAGEMENT = {
    "/etc/nvmesh/nvmesh.conf": '_REST_SERVERS="mgmt-1:4000,mgmt-2:4000"\n_REST_AUTH_METHOD="credentials"\n',
    "/root/.nvmesh/nvmesh.key": "admin@nvidia.com\n",
}


class Lab(Single):
    """Servers, networks and storage; one lab at a time on a machine."""

    def __init__(
        self,
        servers: Iterable[str] = ("srv-a", "srv-b"),
        *,
        heartbeats: int = 1,
        volumes: Iterable[str] = ("vol1",),
        config: str | None = None,
        install: bool = True,
        prepare: Callable[[Server], None] | None = None,
        commands: str = "2.x",
    ) -> None:
        super().__init__("lab", places.LOCK, needs.lacking)
        names = tuple(servers)
        self.network = Network(heartbeats)
        self.storage = Storage(names, volumes)
        self.servers = {name: Server(name, number, self.network, self.storage) for number, name in enumerate(names, 1)}
        self.config = config
        self.install = install
        self.prepare = prepare
        self.layer: layers.Layer | None = None  # what the servers have beside the base; their volumes are empty then
        self._commands = commands
        self.writers: list[Writer] = []

    def __getitem__(self, name: str) -> Server:
        return self.servers[name]

    def writer(self, address: str = FLOATING, port: int = 5432) -> Writer:
        """Return a client that writes through the floating address; start it with `start` or `with`."""
        writer = Writer(self.network, address, port)
        self.writers.append(writer)
        return writer

    def commands(self, which: str) -> None:
        """Let the servers have NVMesh's commands of `1.x`, `2.x`, `3.x`, `both` or `none` from now on."""
        for server in self:
            place_commands(server, which)

    def __iter__(self) -> Iterator[Server]:
        return iter(self.servers.values())

    def _build(self) -> None:
        clean()
        ready = base.ensure()
        places.DISK.mkdir(parents=True)
        places.STATE.mkdir(parents=True)
        places.DISK_LINK.symlink_to(places.DISK)
        self.network.make()
        self.storage.start(layers.empty_volume() if self.layer else ready / "volume.img")
        disk = [ready / "root"]
        if self.install:
            disk.insert(0, install(ready / "root"))
        if self.layer:
            disk.insert(0, self.layer.ensure(ready / "root"))
        with ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(lambda server: self._bring_up(server, disk), self))

    def _bring_up(self, server: Server, layers: list[Path]) -> None:
        server.install_disk(layers)
        _place_tools(server)
        place_commands(server, self._commands)
        if self.config is not None:
            server.write("/etc/nvkeep/cluster.yaml", self.config)
        if self.prepare is not None:
            self.prepare(server)
        server.boot()

    def _end(self) -> None:
        with contextlib.ExitStack() as last:
            last.callback(self.storage.stop)
            last.callback(self.network.reap)
            for writer in self.writers:
                last.callback(writer.reap)
            for server in self:
                last.enter_context(server.ending())
            clean()


def _place_tools(server: Server) -> None:
    for name, (directory, mode) in PLACED.items():
        server.write(f"/{directory}/{name}", (TOOLS / name).read_text(), mode)
    wanted = server.path("/etc/systemd/system/multi-user.target.wants")
    wanted.mkdir(exist_ok=True)
    (wanted / "nvmeshclient.service").symlink_to("/etc/systemd/system/nvmeshclient.service")


def place_commands(server: Server, which: str) -> None:
    """Give a server the commands of one release, and no others."""
    for name in COMMANDS["both"]:
        if name in COMMANDS[which]:
            server.write(f"/usr/bin/{name}", _text(TOOLS / name, which), 0o755)
        else:
            server.path(f"/usr/bin/{name}").unlink(missing_ok=True)
    for path, text in MANAGEMENT.items():
        if "nvmesh" in COMMANDS[which]:
            server.write(path, text)
        else:
            server.path(path).unlink(missing_ok=True)


def _text(tool: Path, which: str) -> str:
    """Return the text of a command; those of 1.x never heard of JSON."""
    lines = tool.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if which != "1.x" or not ('"--json"' in line or '"json" in' in line))


def install(root: Path) -> Path:
    """Install the Debian package of this checkout into a layer over the base, once for all servers of the same code."""
    if not BUILD.exists():
        raise LabError(f"{BUILD} is missing: nothing installs nvkeep into a server (Lab(install=False) does without)")
    layer = base.CACHE / f"installed-{_digest(root)}"
    with (base.CACHE / "installing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another lane may be at it
        if not layer.is_dir():
            home = places.DISK / "nvkeep"
            tree = overlay([root], home)
            built = run(
                (sys.executable, str(BUILD), "deb", str(home / "package"), "--compress=gzip"), timeout=300
            ).stdout.strip()
            shutil.move(built, tree / "root/nvkeep.deb")
            run(("chroot", str(tree), "dpkg", "--install", "/root/nvkeep.deb"), timeout=300)
            (tree / "root/nvkeep.deb").unlink()
            run(("umount", str(tree)))
            (home / "upper").rename(layer)
    return layer


def _digest(root: Path) -> str:
    """Give what names everything that an installation is made of."""
    digest = hashlib.sha256(str(root).encode())
    for path in sorted(path for room in ("nvkeep", "packaging") for path in (places.REPOSITORY / room).rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"{path.relative_to(places.REPOSITORY)} {path.stat().st_mode}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def clean_unused() -> None:
    """Take away leftovers, but not from under a lab that is up."""
    with single.lock(places.LOCK, "lab"):
        clean()


def clean() -> None:
    """Take away whatever a lab has left on this machine: processes, mounts, loop devices, networks, files."""
    disk = places.DISK_LINK.resolve() if places.DISK_LINK.is_symlink() else places.DISK
    # The storage first: a server that is killed would write its caches, and could wait for a stalled volume.
    names = sorted(cgroups.names(), key=lambda name: name != cgroups.TOOLS)
    for name in names:
        cgroups.kill(name)
    network.clean()
    storage.clean()
    for mount in _mounts(disk):
        run(("umount", "--lazy", mount), check=False)
    for name in names:
        cgroups.remove(name)
    for directory in (disk, places.STATE):
        if not _mounts(directory):
            shutil.rmtree(directory, ignore_errors=True)


def _mounts(directory: Path) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if point.startswith(f"{directory}{os.sep}")]
