"""One simulated machine: its state, and the commands of its tools with the exit codes and texts of the real ones."""

import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from nvkeep.host.base import Completed
from nvkeep.probes.unit import INSTALLED
from tests.simulation.parts import EXCLUSIVE, NEVER, SHARED, Attachment, Keepalived, Mounted, Placed, Unit

if TYPE_CHECKING:
    from tests.simulation.world import World

Answer = tuple[int, str, str]
OK: Answer = (0, "", "")
WORD_NUMBER = {"INIT": 0, "BACKUP": 1, "MASTER": 2, "FAULT": 3}
DUMP = "/run/keepalived-dump"
FIRST_BOOT = 50.0  # seconds of CLOCK_BOOTTIME when a test begins
SIGJSON = 36


@dataclass
class Machine:
    """A machine with power, disks, mounts, addresses, units and keepalived."""

    name: str
    world: "World"
    on: bool = True
    boot: int = 1
    booted: float = -FIRST_BOOT
    files: dict[str, str] = field(default_factory=dict)
    synced: dict[str, str] = field(default_factory=dict)
    attached: dict[str, Attachment] = field(default_factory=dict)
    loops: dict[str, tuple[str, str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    mounts: list[Mounted] = field(default_factory=list)
    addresses: list[Placed] = field(default_factory=list)
    units: dict[str, Unit] = field(default_factory=dict)
    keepalived: Keepalived = field(default_factory=Keepalived)
    down: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    io_delay: float = 0.2
    detach_delay: float = 0.0
    quirk: str = ""
    excused: dict[str, float] = field(default_factory=dict)

    # --- time and power -----------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.world.clock - self.booted

    def advance(self) -> None:
        for unit in self.units.values():
            unit.advance(self.world.clock)
        for volume, seen in list(self.attached.items()):
            if self.world.clock >= seen.gone_at:
                self._drop(volume)

    def power_cut(self) -> None:
        self.on = False
        self.attached.clear()
        self.loops.clear()
        self.links.clear()
        self.mounts.clear()
        self.addresses.clear()
        self.excused.clear()
        for unit in self.units.values():
            unit.active, unit.job, unit.due = "inactive", "", NEVER
        self.keepalived.running = False
        self.files = dict(self.synced)

    def power_on(self) -> None:
        self.on, self.boot, self.booted = True, self.boot + 1, self.world.clock
        self.start_keepalived()

    def start_keepalived(self) -> None:
        beat = self.keepalived
        beat.running, beat.frozen, beat.unit = True, False, "active"
        beat.pid += 7
        beat.started += 100
        for instance in beat.instances:
            instance.word, instance.heard = "BACKUP", self.world.clock

    def stop_keepalived(self, unit: str) -> None:
        """Stop it by hand (`inactive`) or kill it (`failed`)."""
        self.keepalived.running, self.keepalived.unit = False, unit
        self.keepalived.inactive_since = self.now()
        for instance in self.keepalived.instances:
            instance.word = "INIT"

    # --- what may be seen ---------------------------------------------------------------------------------------------

    def holds(self, volume: str) -> bool:
        """Tell by the storage's own rule whether writes of this host land."""
        if volume in self.world.images:
            return self.on and self.world.lease(volume)[1] == self.name and self.bound(volume)
        seen, grant = self.attached.get(volume), self.world.volumes[volume]
        if seen is None or not self.on or seen.gone_at < NEVER:
            return False
        return seen.mode == EXCLUSIVE and grant.exclusive == self.name and seen.version == grant.version

    def bound(self, volume: str) -> bool:
        device = self.links.get(f"/dev/nvkeep/{volume}", "").rpartition("/")[2]
        return self.loops.get(device, ("", ""))[0] == self.world.images.get(volume)

    def does_io(self, volume: str) -> bool:
        if volume in self.world.images:
            return self.bound(volume)
        seen = self.attached.get(volume)
        return self.holds(volume) and seen is not None and self.world.clock >= seen.io_at

    def number(self, path: str) -> str | None:
        folder, _, volume = path.rpartition("/")
        if folder == "/dev/nvmesh":
            return self.attached[volume].number if volume in self.attached else None
        if folder == "/dev/nvkeep":
            return self.loops.get(self.links.get(path, "").rpartition("/")[2], ("", None))[1]
        return "8:1" if path == "/dev/sdb1" else None

    def read(self, path: str) -> str:
        self._readable(path)
        if view := VIEWED.match(path):
            return VIEWS[view[0]](self, path)
        if path.startswith("/x/"):
            return self._found(self.world.shared, path)
        return self._found(self.files, path)

    def _readable(self, path: str) -> None:
        if self.unreadable and any(fnmatch(path, pattern) for pattern in self.unreadable):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    def _found(self, files: dict[str, str], path: str) -> str:
        if path not in files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return files[path]

    def names(self, directory: str) -> list[str]:
        self._readable(directory)
        if directory == "/proc/nvmeibc/volumes":
            return sorted(self.attached)
        files = self.world.shared if directory.startswith("/x") else self.files
        return sorted({one[len(directory) + 1 :].split("/")[0] for one in files if one.startswith(f"{directory}/")})

    def write(self, path: str, text: str, *, durable: bool) -> None:
        if any(fnmatch(path, pattern) for pattern in self.full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        self.files[path] = text
        if durable and not path.startswith("/run/"):
            self.synced[path] = text

    def signal(self, pid: int, number: int) -> None:
        beat = self.keepalived
        if pid != beat.pid or not beat.running:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if number == SIGJSON and beat.speaks:
            told = zip(self.world.networks, beat.instances, strict=True)
            data = [{"data": {"iname": f"{service}@{network}", "state": WORD_NUMBER[one.word]},
                     "stats": {"advert_rcvd": one.received}}
                    for network, one in told for service in self.world.cluster.services]  # fmt: skip
            self.files[f"{DUMP}/keepalived.json"] = json.dumps(data)

    # --- commands -----------------------------------------------------------------------------------------------------

    def command(self, argv: tuple[str, ...]) -> Completed:
        for words, tool in TOOLS.items():
            if argv[: len(words)] == words:
                code, out, err = tool(self, argv[len(words) :])
                return Completed(argv, code, out, err)
        return Completed(argv, 127, "", f"{argv[0]}: No such file or directory")

    def mount(self, words: tuple[str, ...]) -> Answer:
        if words[:1] == ("-o",) and words[1].startswith("remount"):
            return self._remount(words[1], words[2])
        _, fstype, _, options, device, path = words
        number = self.number(device)
        volume = device.rpartition("/")[2]
        if number is None:
            return 32, "", f"mount: {path}: special device {device} does not exist."
        if not self.does_io(volume):
            return 32, "", f"mount: {path}: can't read superblock on {device}."
        if any(one.number == number and one.path == path for one in self.mounts):
            return 32, "", f"mount: {path}: {device} already mounted on {path}."
        kept = {option for option in options.split(",") if not option.startswith("X-")} | {"rw"}
        self.mounts.append(Mounted(path, number, device, fstype, kept, volume))
        return OK

    def _remount(self, options: str, path: str) -> Answer:
        found = [one for one in self.mounts if one.path == path]
        if not found:
            return 32, "", f"mount: {path}: mount point not mounted or bad option."
        found[-1].options = set(options.split(",")[1:]) | ({"rw"} if "ro" not in options.split(",") else set())
        return OK

    def umount(self, words: tuple[str, ...]) -> Answer:
        path = words[0]
        found = [one for one in self.mounts if one.path == path]
        if not found:
            return 32, "", f"umount: {path}: not mounted."
        if any(unit.running for unit in self.units.values()):
            return 32, "", f"umount: {path}: target is busy."
        self.mounts.remove(found[-1])
        return OK

    def show_addresses(self, _: tuple[str, ...]) -> Answer:
        names = ["lo", *self.world.interfaces]
        told = [{"ifname": name, "addr_info": [
            {"family": "inet", "local": one.ip, "prefixlen": one.prefix, "label": one.label}
            for one in self.addresses if one.interface == name]} for name in names]  # fmt: skip
        return 0, json.dumps(told), ""

    def replace_address(self, words: tuple[str, ...]) -> Answer:
        address, _, interface, _, label = words
        ip, _, prefix = address.partition("/")
        if interface not in self.world.interfaces:
            return 1, "", f'Cannot find device "{interface}"'
        same = [one for one in self.addresses if (one.ip, one.prefix, one.interface) == (ip, int(prefix), interface)]
        if not same:  # the kernel keeps the label of an address that is there
            self.addresses.append(Placed(ip, int(prefix), interface, label))
        return OK

    def delete_address(self, words: tuple[str, ...]) -> Answer:
        address, _, interface = words
        ip, _, prefix = address.partition("/")
        found = [one for one in self.addresses if (one.ip, one.prefix, one.interface) == (ip, int(prefix), interface)]
        if not found:
            return 2, "", "RTNETLINK answers: Cannot assign requested address"
        self.addresses.remove(found[0])
        return OK

    def show_unit(self, words: tuple[str, ...]) -> Answer:
        name = words[-1]
        if words[0] == f"--property={INSTALLED}":
            return 0, "\n".join(self._installed(name) for name in words[2:]), ""
        if name == "keepalived.service":
            beat = self.keepalived
            since = int(beat.inactive_since * 1e6)
            return 0, f"LoadState=loaded\nActiveState={beat.unit}\nSubState=dead\nInactiveEnterTimestampMonotonic={since}\n", ""
        unit = self.units.get(name)
        if unit is None:
            return 0, "LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success\nJob=0\nMainPID=0\n", ""
        job = "17" if unit.job else "0"
        result = "exit-code" if unit.active == "failed" else "success"
        return 0, f"LoadState=loaded\nActiveState={unit.active}\nSubState=x\nResult={result}\nJob={job}\nMainPID=0\n", ""

    def _installed(self, name: str) -> str:
        unit = self.units.get(name)
        load = unit.file if unit and unit.file in ("masked", "not-found") else "loaded" if unit else "not-found"
        return f"LoadState={load}\nUnitFileState={unit.file if unit else ''}\nWantedBy=\nRequiredBy=\n"

    def _unit(self, act: Callable[[Unit], None], name: str, verb: str) -> Answer:
        unit = self.units.get(name)
        if unit is None:
            return 5, "", f"Failed to {verb} {name}: Unit {name} not found."
        act(unit)
        unit.advance(self.world.clock)
        return OK

    def start_unit(self, words: tuple[str, ...]) -> Answer:
        def start(unit: Unit) -> None:
            unit.loaded = True
            unit.start(self.world.clock)

        return self._unit(start, words[-1], "start")

    def stop_unit(self, words: tuple[str, ...]) -> Answer:
        return self._unit(lambda unit: unit.stop(self.world.clock), words[-1], "stop")

    def kill_unit(self, words: tuple[str, ...]) -> Answer:
        return self._unit(lambda unit: unit.kill(), words[-1], "kill unit")

    def reset_failed(self, words: tuple[str, ...]) -> Answer:
        name = words[-1]
        unit = self.units.get(name)
        if unit is None or not unit.loaded:
            return 1, "", f"Failed to reset failed state of unit {name}: Unit {name} not loaded."
        if unit.active == "failed":
            unit.active = "inactive"
        return OK

    # --- NVMesh -------------------------------------------------------------------------------------------------------

    def attach(self, words: tuple[str, ...]) -> Answer:
        volume, preempt = words[-1], "--preempt" in words
        grant = self.world.volumes[volume]
        if volume in self.attached:
            seen = self.attached[volume]
            if seen.mode != EXCLUSIVE:
                return self._said(1, volume, "Already Attached", "Access Mode Denied.")
            return self._said(0, volume, "Already Attached")
        others = {grant.exclusive, *grant.shared} - {None, self.name}
        if others and not preempt:
            return self._denied(volume)
        if others:
            self.world.revoked(volume)
        version = grant.grant(self.name, self.world.clock)
        self.attached[volume] = Attachment(EXCLUSIVE, version, self.world.fresh_number(), self.world.clock + self.io_delay)
        return self._said(0, volume, "Attached")

    def _denied(self, volume: str) -> Answer:
        if self.quirk == "2.4.0":
            return self._said(0, volume, "Attached IO Enabled", "Access Mode Denied.")
        return self._said(0 if self.quirk == "exit 0" else 1, volume, "Access Mode Denied", "Access Mode Denied.")

    def _said(self, code: int, volume: str, status: str, error: str = "") -> Answer:
        told = {"status": status} | ({"error": error} if error else {})
        return code, "", json.dumps({"status": "success", "volumes": {volume: told}, "error": "", "error_code": 0})

    def detach(self, words: tuple[str, ...]) -> Answer:
        volume, force = words[-1], "--force" in words
        if volume not in self.attached:
            return self._said(0, volume, "Not Attached")
        number = self.attached[volume].number
        on_it = [one for one in self.mounts if one.number == number]
        if on_it and not force:
            return self._said(1, volume, "Busy")
        for one in on_it:
            one.lost = True
        self.attached[volume].gone_at = self.world.clock + self.detach_delay
        if not self.detach_delay:
            self._drop(volume)
        return self._said(0, volume, "Detached")

    def _drop(self, volume: str) -> None:
        seen = self.attached.pop(volume)
        self.world.volumes[volume].give_back(self.name, seen.version, self.world.clock)

    def attach_by_hand(self, volume: str, mode: str, *, io_delay: float = 0.0) -> None:
        """Bring about an attachment without any command, as it may be found."""
        grant = self.world.volumes[volume]
        version = grant.grant(self.name, self.world.clock)
        if mode == SHARED:
            grant.exclusive = None
            grant.shared.add(self.name)
        self.attached[volume] = Attachment(mode, version, self.world.fresh_number(), self.world.clock + io_delay)

    # --- the plumbing of nvkeep -----------------------------------------------------------------------------------------

    def announce(self, _: tuple[str, ...]) -> Answer:
        return OK

    def lease_acquire(self, words: tuple[str, ...]) -> Answer:
        file, host = words
        version, holder = self.world.lease_of(file)
        if holder not in (None, host):
            return 3, "", f"held by {holder} (version {version})"
        if holder is None:
            self.world.set_lease(file, host)
        return OK

    def lease_seize(self, words: tuple[str, ...]) -> Answer:
        file, host, named = words
        version, holder = self.world.lease_of(file)
        if version != int(named):
            return 3, "", f"now held by {holder} (version {version}, not {named})"
        self.world.revoked(self.world.volume_of(file))
        self.world.set_lease(file, host)
        return OK

    def lease_release(self, words: tuple[str, ...]) -> Answer:
        file, host = words
        if self.world.lease_of(file)[1] == host:
            self.world.set_lease(file, None)
        return OK

    def loop_attach(self, words: tuple[str, ...]) -> Answer:
        file, link = words
        if self.loops.get(self.links.get(link, "").rpartition("/")[2], ("",))[0] != file:
            number = self.world.fresh_number()
            device = f"loop{number.partition(':')[2]}"
            self.links[link] = f"/dev/{device}"
            self.loops[device] = (file, number)
        return OK

    def loop_detach(self, words: tuple[str, ...]) -> Answer:
        file, link = words
        device = self.links.get(link, "").rpartition("/")[2]
        if self.loops.get(device, ("",))[0] == file:
            if any(one.number == self.loops[device][1] for one in self.mounts):
                return 1, "", "device is busy"
            del self.loops[device]
        self.links.pop(link, None)
        return OK


# --- views: files that the kernel and keepalived make -------------------------------------------------------------------


def _mountinfo(self: Machine, _: str) -> str:
    lines = ["22 1 8:0 / / rw,relatime - ext4 /dev/sda1 rw"]
    for index, one in enumerate(self.mounts):
        options = ",".join(sorted(one.options))
        super_options = "ro" if "ro" in one.options else "rw"
        lines.append(
            f"{30 + index} 22 {one.number} / {one.path} {options} shared:1 - {one.fstype} {one.source} {super_options}"
        )
    return "\n".join(lines) + "\n"


def _carrier(self: Machine, path: str) -> str:
    interface = path.split("/")[4]
    if interface not in self.world.interfaces:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return "0\n" if interface in self.down else "1\n"


def _nvmesh_status(_: Machine, __: str) -> str:
    return "module state=1 Ready\nCluster: uuid=1\n"


def _volume_status(self: Machine, path: str) -> str:
    volume = path.split("/")[4]
    if volume not in self.attached:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    seen, grant = self.attached[volume], self.world.volumes[volume]
    told: dict[str, object] = {"name": volume, "uuid": "1", "type": "visible"}
    if seen.gone_at < NEVER:
        return json.dumps(told)
    preempted = grant.version > seen.version
    io = not preempted and self.world.clock >= seen.io_at
    status = "Reservation Preempted, Only recovery" if preempted else "Live, with IO" if io else "Booting, no IO"
    told |= {
        "attach_status": "Preempted" if preempted else "Attached",
        "reservation": seen.mode,
        "reservation_version": seen.version,
        "RVMS": grant.version,
        "status": status,
        "dbg": "0x1092" if preempted else "0x200" if io else "0x280",
        "io_enabled": int(io),
    }
    return json.dumps(told)


def _backing_file(self: Machine, path: str) -> str:
    device = path.split("/")[3]
    if device not in self.loops:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return f"{self.loops[device][0]}\n"


def _pid(self: Machine, path: str) -> str:
    beat = self.keepalived
    if not beat.running and beat.unit == "inactive":  # the pid files stay after a kill, not after a stop
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return f"{beat.pid if path == '/run/keepalived.pid' else beat.pid + 1}\n"


def _process(self: Machine, path: str) -> str:
    beat = self.keepalived
    if not beat.running or path.split("/")[2] not in (str(beat.pid), str(beat.pid + 1)):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if path.endswith("/environ"):
        return f"PATH=/bin\0TMPDIR={DUMP}\0"
    if path.endswith("/comm"):
        return "keepalived\n"
    return f"{beat.pid} (keepalived) S {' '.join(['0'] * 18)} {beat.started} 0 0\n"


VIEWS: dict[str, Callable[[Machine, str], str]] = {
    "/proc/self/mountinfo": _mountinfo,
    "/proc/filesystems": lambda _machine, _path: "nodev\tproc\n\txfs\n\text4\n",
    "/sys/class/net/": _carrier,
    "/proc/nvmeibc/status": _nvmesh_status,
    "/proc/nvmeibc/volumes/": _volume_status,
    "/sys/block/": _backing_file,
    "/run/keepalived.pid": _pid,
    "/run/vrrp.pid": _pid,
    "/proc/": _process,
}
VIEWED = re.compile("|".join(map(re.escape, VIEWS)))


def _read_block(self: Machine, words: tuple[str, ...]) -> Answer:
    volume = words[-1].removeprefix("if=").rpartition("/")[2]
    return OK if self.does_io(volume) else (1, "", "dd: error reading: Input/output error")


TOOLS: dict[tuple[str, ...], Callable[[Machine, tuple[str, ...]], Answer]] = {
    ("ip", "-j", "addr", "show"): Machine.show_addresses,
    ("ip", "-4", "addr", "replace"): Machine.replace_address,
    ("ip", "addr", "del"): Machine.delete_address,
    ("mount",): Machine.mount,
    ("flock",): _read_block,
    ("nvkeep", "umount"): Machine.umount,
    ("systemctl", "show"): Machine.show_unit,
    ("systemctl", "start", "--no-block"): Machine.start_unit,
    ("systemctl", "stop", "--no-block"): Machine.stop_unit,
    ("systemctl", "kill", "--signal=SIGKILL"): Machine.kill_unit,
    ("systemctl", "reset-failed"): Machine.reset_failed,
    ("nvmesh_attach_volumes", "--json", "--access", EXCLUSIVE): Machine.attach,
    ("nvmesh_detach_volumes", "--json"): Machine.detach,
    ("nvkeep", "announce"): Machine.announce,
    ("nvkeep", "lease", "acquire"): Machine.lease_acquire,
    ("nvkeep", "lease", "seize"): Machine.lease_seize,
    ("nvkeep", "lease", "release"): Machine.lease_release,
    ("nvkeep", "loop", "attach"): Machine.loop_attach,
    ("nvkeep", "loop", "detach"): Machine.loop_detach,
    ("keepalived", "--signum=JSON"): lambda _machine, _words: (0, f"{SIGJSON}\n", ""),
}
