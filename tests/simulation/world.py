"""A world to test in: one clock, a shared storage, networks, two or three machines; and the safety invariants, always watched.

The invariants. World watches them after every command and every pass; test_convergence.py asks for (3) and (6) at the end.

(1) At most one host writes to a volume, by the storage's rule and by what runs; nothing is mounted or started on another's.
(2) Nothing is started on what is not there: a unit only over its mounts and addresses, an address only over its mounts.
(3) From every legal state, killed after every single command, the next passes converge, and one more changes nothing.
(4) A volume is never taken from under a mount, and nothing is unmounted lazily.
(5) A volume is seized only after three silent answers over a master-down interval, or when a watch has heard none
    for as long as keepalived waits; with a carrier, and not while it is served.
(6) The holder stays: no pass releases the volume of a host that holds it and has no reason to release it.

A `Process` is one run of nvkeep on a machine: it implements Host, and it can be killed right before or right after any of its
changing commands. What it did to the machine stays; the machine and its files outlive it.
"""

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache

from nvkeep.agent.subject import PROBES_A_WINDOW
from nvkeep.config import parsing
from nvkeep.core import reconcile
from nvkeep.core.liveness import Unanswered
from nvkeep.errors import Busy, CommandTimeout
from nvkeep.host.base import Completed
from nvkeep.keepalived import CONF, Build, Version, configuration
from nvkeep.model.health import TcpHealth
from nvkeep.model.report import Report
from nvkeep.model.spec import Cluster, priority
from nvkeep.model.timers import BACKOFF_FIRST_S as FIRST_PATIENCE
from nvkeep.state.service import flag_path
from tests.simulation.machine import Machine
from tests.simulation.parts import Instance, Reservation, Unit

SERVICE, VOLUME, PATH, IP, UNIT = "nfs", "vol", "/srv/nfs", "10.9.0.10", "nfs-server.service"
ADDRESS_ON, TICK = "sv0", 0.1
PROGRAMS = ("/usr/bin/nvmesh_attach_volumes", "/usr/sbin/losetup")
SECONDS_A_COMMAND = 0.01
WALL = 1_800_000_000.0  # seconds since 1970 when the clock of a world begins
LOOKS = (("ip", "-j"), ("systemctl", "show"), ("keepalived", "--signum=JSON"), ("nvkeep", "announce"), ("flock",), ("ssh",))
REMEMBERS = ("/run/nvkeep/claim/", "/run/nvkeep/standing/", "/run/nvkeep/eligible/", "/var/lib/nvkeep/")
YAML = """
cluster: test
hosts:
{hosts}
timing: {{advert: 0.2, step: {step}, cooldown: {cooldown}}}
services:
  nfs:
    hosts: [{names}]
    volumes:
{volumes}
    mounts:
{mounts}
    addresses: [{{address: 10.9.0.10/24, interface: sv0}}]
    units: [nfs-server.service]
{health}
"""


class Killed(BaseException):
    """The process is gone: no handler of its own may run."""


@dataclass
class Fault:
    """A command whose words contain `words` fails or hangs, `times` times; `late`: it takes effect all the same."""

    words: str
    code: int = 1
    err: str = "injected"
    times: float = 1
    hangs: bool = False
    late: bool = False
    host: str = ""


@dataclass(frozen=True)
class Kill:
    """Die at the n-th changing command (from 1), before or after it takes effect."""

    number: int
    after: bool


@cache
def cluster(  # noqa: PLR0913 - each is one thing that a cluster may have
    names: tuple[str, ...] = ("a", "b"), *, backend: str = "nvmesh", volumes: int = 1, beats: int = 1, health: str = "",
    step: float = 20, cooldown: float = 60, mode: str = "",
) -> Cluster:  # fmt: skip
    """Load the cluster of a test through nvkeep's own configuration."""
    networks = ["hb0", ADDRESS_ON][:beats]
    lines = []
    for number, name in enumerate(names):
        both = [f"{{interface: {net}, address: 10.{index}.0.{number + 1}}}" for index, net in enumerate(networks)]
        lines.append(f"  {name}: {{heartbeats: [{', '.join(both)}]}}")
    every = [f"{VOLUME}{number or ''}" for number in range(volumes)]
    image = {one: f", backend: image, file: /x/{one}.img" if backend == "image" else "" for one in every}
    text = YAML.format(
        hosts="\n".join(lines), names=", ".join(names), step=step, cooldown=cooldown,
        volumes="\n".join(f"      - {{name: {one}{image[one]}}}" for one in every),
        mounts="\n".join(f"      - {{volume: {one}, path: {PATH}{number or ''}, fstype: xfs, options: [noatime]}}"
                         for number, one in enumerate(every)),
        health="\n".join(f"    {key}: {value}" for key, value in (("health", health), ("mode", mode)) if value),
    )  # fmt: skip
    return parsing.parse(text)


class World:
    """Everything there is. `violations` must stay empty."""

    def __init__(self, loaded: Cluster, *, watching: bool = False) -> None:
        self.cluster = loaded
        self.watching = watching
        self.unanswered: dict[str, Unanswered] = {}
        self.service = loaded.services[SERVICE]
        self.lock = threading.RLock()
        self.clock = 0.0
        self.ticked = 0.0
        self.names = tuple(loaded.hosts)
        self.networks = [beat.interface for beat in loaded.hosts[self.names[0]].heartbeats]
        self.interfaces = {"hb0", ADDRESS_ON, "ot0"}
        self.cuts: set[str] = set()
        self.shared: dict[str, str] = {}
        self.images = {one.name: str(getattr(one, "file", "")) for one in self.service.volumes if one.backend == "image"}
        self.volumes = {one.name: Reservation() for one in self.service.volumes if one.backend == "nvmesh"}
        self.shared |= dict.fromkeys(self.images.values(), "")
        self.numbers = itertools.count(1)
        self.violations: list[str] = []
        self.commands: list[tuple[str, tuple[str, ...], int]] = []
        self.faults: list[Fault] = []
        self.hook: Callable[[Process, tuple[str, ...]], None] | None = None
        self.router_answers = False
        self.answering: dict[str, float] = {}
        self.yielded: dict[str, float] = {}
        self.heard_at: dict[str, float] = {}
        self.machines = {name: Machine(name, self) for name in self.names}
        for machine in self.machines.values():
            machine.units[UNIT] = Unit()
            machine.keepalived.instances = [Instance() for _ in self.networks]
            self.remember_nothing_lost(machine)
            machine.write(CONF, configuration(loaded, machine.name, Build(Version(2, 2, 7))), durable=True)

    def remember_nothing_lost(self, machine: Machine) -> None:
        none = {
            "loss": {"count": 0, "at": 0.0, "listening_since": None, "listen_at": 0.0},
            "boot": f"{machine.name}-{machine.boot}",
        }
        machine.write(f"/var/lib/nvkeep/loss/{SERVICE}", json.dumps(none), durable=True)

    # --- storage ------------------------------------------------------------------------------------------------------

    def fresh_number(self) -> str:
        return f"259:{next(self.numbers)}"

    def lease_of(self, file: str) -> tuple[int, str | None]:
        found = [int(one.rpartition(".")[2]) for one in self.shared if one.startswith(f"{file}.lease.")]
        version = max(found, default=0)
        return version, json.loads(self.shared[f"{file}.lease.{version}"])["holder"] if version else None

    def lease(self, volume: str) -> tuple[int, str | None]:
        return self.lease_of(self.images[volume])

    def set_lease(self, file: str, holder: str | None) -> None:
        version, _ = self.lease_of(file)
        self.shared[f"{file}.lease.{version + 1}"] = json.dumps({"holder": holder})
        self.shared.pop(f"{file}.lease.{version}", None)

    def volume_of(self, file: str) -> str:
        return next(name for name, one in self.images.items() if one == file)

    @property
    def all_volumes(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.service.volumes)

    def revoked(self, volume: str) -> None:
        """Note that the storage takes a volume away: whoever had it may only isolate itself from now on."""
        for machine in self.machines.values():
            if machine.holds(volume):
                machine.excused[volume] = self.clock

    def seize_behind_its_back(self, volume: str) -> None:
        """Take the volume away, as an administrator of the storage might, and give it to a host of no cluster."""
        self.revoked(volume)
        if volume in self.images:
            self.set_lease(self.images[volume], "stranger")
        else:
            self.volumes[volume].grant("stranger", self.clock)

    # --- time and networks --------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        with self.lock:
            end = self.clock + seconds
            while self.clock < end:
                self.clock = min(end, self.ticked + TICK)
                for machine in self.machines.values():
                    machine.advance()
                if self.clock >= self.ticked + TICK:
                    self.ticked = self.clock
                    self._vrrp()
            self._note_answers()

    def hears(self, one: Machine, other: Machine, network: str) -> bool:
        down = network in one.down | other.down | self.cuts
        return one.on and other.on and not down

    def _vrrp(self) -> None:
        for index, network in enumerate(self.networks):
            masters = [one for one in self.machines.values()
                       if one.on and one.keepalived.speaks and one.keepalived.instances[index].word == "MASTER"]  # fmt: skip
            for machine in self.machines.values():
                if machine.on and machine.keepalived.speaks and not machine.keepalived.forced:
                    heard = [one for one in masters if one is not machine and self.hears(one, machine, network)]
                    listens = machine.keepalived.instances[index].word != "FAULT"
                    if listens and any(one.holds(VOLUME) for one in heard):
                        self.heard_at[machine.name] = self.clock
                    self._instance(machine, machine.keepalived.instances[index], [self._priority(one.name) for one in heard])

    def _priority(self, name: str) -> int:
        return priority(self.names.index(name))

    def _instance(self, machine: Machine, one: Instance, heard: list[int]) -> None:
        """Advance one instance: the flag first, then what is heard. nopreempt: a BACKUP takes from no living master."""
        mine = self._priority(machine.name)
        one.received += len(heard)
        if machine.files.get(flag_path(SERVICE), "").strip() != "1":
            one.word = "FAULT"
        elif one.word in ("FAULT", "INIT"):
            one.word, one.heard = "BACKUP", self.clock
        elif one.word == "MASTER":
            one.word = "BACKUP" if max(heard, default=0) > mine else "MASTER"
            one.heard = self.clock
        elif heard:
            one.heard = self.clock
        elif self.clock - one.heard > self.window(machine.name):
            one.word = "MASTER"

    def answers(self, asking: Machine, ip: str, interface: str) -> bool:
        others = [one for one in self.machines.values() if one is not asking and self.hears(asking, one, interface)]
        return self.router_answers or any(self._has(one, ip, interface) for one in others)

    def _has(self, machine: Machine, ip: str, interface: str) -> bool:
        """Return whether a host has an address: a floating one, or that of a heartbeat."""
        own = {(str(beat.address), beat.interface) for beat in self.cluster.hosts[machine.name].heartbeats}
        return (ip, interface) in own | {(at.ip, at.interface) for at in machine.addresses}

    def connects(self, asking: Machine, ip: str) -> bool:
        def serves(one: Machine) -> bool:
            return any(at.ip == ip for at in one.addresses) and one.units[UNIT].active == "active"

        if any(at.ip == ip for at in asking.addresses):
            return serves(asking)
        return any(self.hears(asking, one, ADDRESS_ON) and serves(one) for one in self.machines.values() if one is not asking)

    def asked(self, asking: Machine) -> bool:
        """Give the truth about what the guard of a host asks."""
        return self.connects(asking, IP) if self.service.health else self.answers(asking, IP, ADDRESS_ON)

    def _note_answers(self) -> None:
        for name, machine in self.machines.items():
            if self.asked(machine):
                self.answering.setdefault(name, self.clock)
            else:
                self.answering.pop(name, None)
            self._watch(name, machine)

    def _watch(self, name: str, machine: Machine) -> None:
        """Keep what the watch of a host's agent has heard of the address, if it hears at all."""
        served_here = f"/run/nvkeep/claim/{SERVICE}" in machine.files
        if not self.watching or not machine.on or ADDRESS_ON in machine.down or served_here:
            self.unanswered.pop(name, None)
            return
        now = machine.now()
        answered = self.answers(machine, IP, ADDRESS_ON) or name not in self.unanswered
        since = now if answered else min(now, self.unanswered[name].since)
        self.unanswered[name] = Unanswered(since, now, int((now - since) / self.window(name) * PROBES_A_WINDOW))

    def window(self, name: str) -> float:
        """Give the time for which keepalived of a host waits for an advert."""
        return (3 + (256 - self._priority(name)) / 256) * self.cluster.timing.advert

    # --- invariants ---------------------------------------------------------------------------------------------------

    def violated(self, number: int, text: str) -> None:
        self.violations.append(f"({number}) at {self.clock:.2f}: {text}")

    def watch_issue(self, process: "Process", argv: tuple[str, ...]) -> None:
        """Judge a changing command by what is there when it is given."""
        machine, words = process.machine, " ".join(argv)
        said = f"{machine.name}: `{words}`"
        if "--preempt" in argv or argv[1:3] == ("lease", "seize"):
            self._watch_seize(process, said)
        for volume in self.all_volumes:
            on_it = [one for one in machine.mounts if one.volume == volume and one.number == self._number(machine, volume)]
            lets_go = argv[0] == "nvmesh_detach_volumes" and argv[-1] == volume
            lets_go |= argv[:3] == ("nvkeep", "loop", "detach") and argv[-1] == f"/dev/nvkeep/{volume}"
            lets_go |= argv[:3] == ("nvkeep", "lease", "release") and argv[3] == self.images.get(volume)
            if lets_go and on_it:
                self.violated(4, f"{said} under the mount {on_it[0].path}")
        if argv[0] == "umount" and "-l" in argv:
            self.violated(4, f"{said} is lazy")
        if argv[:2] == ("systemctl", "start"):
            self._watch_ready(machine, said, address=True)
        if argv[:4] == ("ip", "-4", "addr", "replace"):
            self._watch_ready(machine, said, address=False)
        if argv[0] == "mount" and "remount" not in words:
            volume = argv[5].rpartition("/")[2]
            if not machine.holds(volume) and volume not in machine.excused:
                self.violated(1, f"{said} without holding the volume")

    def _number(self, machine: Machine, volume: str) -> str | None:
        return machine.number(f"/dev/{'nvkeep' if volume in self.images else 'nvmesh'}/{volume}")

    def _watch_ready(self, machine: Machine, said: str, *, address: bool) -> None:
        for mount, volume in zip(self.service.mounts, self.all_volumes, strict=True):
            top = [one for one in machine.mounts if one.path == mount.path][-1:]
            if not top or top[0].volume != volume or top[0].lost or "ro" in top[0].options:
                self.violated(2, f"{said} while {mount.path} is not mounted as it should be")
            elif not machine.holds(volume) and volume not in machine.excused:
                self.violated(1, f"{said} without holding {volume}")
        if address and not any((one.ip, one.prefix, one.interface) == (IP, 24, ADDRESS_ON) for one in machine.addresses):
            self.violated(2, f"{said} while {IP} is not there")

    def _watch_seize(self, process: "Process", said: str) -> None:
        name, timing = process.name, self.cluster.timing
        if self._stood_aside(process.machine):
            return
        silent, heard = process.silences, process.heard
        if heard and heard.probes >= 3 and heard.until - heard.since >= self.window(name) * 0.99:
            silent = [heard.since + process.machine.booted]
        elif len(silent) < 3 or silent[-1] - silent[-3] < timing.master_down * 0.99:
            self.violated(5, f"{said} after {len(silent)} silent answers of the guard")
        if silent and self.answering.get(name, self.clock) < silent[0]:
            self.violated(5, f"{said} although the service has answered since {self.answering[name]:.2f}")
        if ADDRESS_ON in process.machine.down:
            self.violated(5, f"{said} without a carrier")

    def _stood_aside(self, machine: Machine) -> bool:
        """Return whether a host may seize from one that answers: it yielded, waited, and has not heard the holder since."""
        began = self.yielded.get(machine.name)
        if (
            self._vouched() or began is None or self.clock - began < FIRST_PATIENCE - 0.1
        ):  # it counts from before the end of its pass
            return False
        return self.heard_at.get(machine.name, 0.0) <= began + 0.1  # keepalived sees the flag at its next tick

    def _vouched(self) -> bool:
        """Return whether a check that passes shows a service that lives; a connection is accepted by the kernel alone."""
        health = self.service.health
        return not (health is None or (isinstance(health, TcpHealth) and health.expect is None))

    def watch_effect(self) -> None:
        """Judge the world after every command: at most one writer, by the storage's rule and by what runs."""
        for volume in self.all_volumes:
            holders = [one.name for one in self.machines.values() if one.holds(volume)]
            if len(holders) > 1:
                self.violated(1, f"{volume} may be written by {holders}")
            running = [one.name for one in self.machines.values() if self._writes(one, volume) and volume not in one.excused]
            if len(running) > 1:
                self.violated(1, f"{volume} is written by {running}")

    def _writes(self, machine: Machine, volume: str) -> bool:
        return machine.units[UNIT].running and any(one.volume == volume and not one.lost for one in machine.mounts)

    def watch_pass(self, machine: Machine, begun: float) -> None:
        """Judge a host after a whole pass: nothing runs on a volume that is not its own."""
        machine.excused = {volume: at for volume, at in machine.excused.items() if at > begun}
        for volume in self.all_volumes:
            if self._writes(machine, volume) and not machine.holds(volume) and volume not in machine.excused:
                self.violated(1, f"{machine.name} runs on {volume} without holding it after a whole pass")

    # --- passes -------------------------------------------------------------------------------------------------------

    def make_pass(self, name: str, kill: Kill | None = None) -> Report | None:
        """Make one pass by a fresh process; None when it was killed."""
        process = Process(self, self.machines[name], kill)
        begun = self.clock
        troubled = bool(self.faults) or bool(process.machine.unreadable) or bool(process.machine.full)
        try:
            report = reconcile.run_pass(process, self.cluster, SERVICE, process.watched)
        except Killed:
            return None
        finally:
            process.dead = True
        self._note_yield(name, report)
        stuck = any(unit.immortal for unit in process.machine.units.values())
        if process.machine.on and not troubled and not stuck and report.line:
            self.watch_pass(process.machine, begun)
        return report

    def _note_yield(self, name: str, report: Report) -> None:
        if report.did == "yield":
            self.yielded[name] = self.clock
        elif report.holder == "me":
            self.yielded.pop(name, None)

    def changes(self, since: int, name: str | None = None) -> list[tuple[str, ...]]:
        """List the commands given since then that may change something; a plain attach that was denied is only a question."""
        denied = {entry[1] for entry in self.commands[since:] if entry[2] and _asks(entry[1])}
        return [argv for host, argv, _ in self.commands[since:] if argv not in denied and name in (None, host)]

    def clean(self, name: str) -> bool:
        one = self.machines[name]
        paths = {mount.path for mount in self.service.mounts}
        nothing = not one.attached and not any(one.bound(volume) for volume in self.images)
        return (nothing and not one.units[UNIT].running and not any(at.ip == IP for at in one.addresses)
                and not any(mounted.path in paths for mounted in one.mounts))  # fmt: skip

    def serves(self, name: str) -> bool:
        one = self.machines[name]
        volumes = all(one.holds(volume) and one.does_io(volume) for volume in self.all_volumes)
        mounts = [(mounted.path, mounted.volume, "noatime" in mounted.options, "ro" in mounted.options, mounted.lost)
                  for mounted in one.mounts]  # fmt: skip
        wanted = [(mount.path, volume, True, False, False)
                  for mount, volume in zip(self.service.mounts, self.all_volumes, strict=True)]  # fmt: skip
        places = [(at.prefix, at.interface, at.label) for at in one.addresses if at.ip == IP]
        running = one.units[UNIT].active == "active" and not one.units[UNIT].job
        return one.on and volumes and sorted(mounts) == wanted and places == [(24, ADDRESS_ON, ADDRESS_ON)] and running


def _asks(argv: tuple[str, ...]) -> bool:
    plain = argv[0] == "nvmesh_attach_volumes" and "--preempt" not in argv
    return plain or argv[1:3] == ("lease", "acquire")


@dataclass
class Process:
    """One run of nvkeep: a Host, until it is killed."""

    world: World
    machine: Machine
    kill: Kill | None = None
    count: int = 0
    dead: bool = False
    silences: list[float] = field(default_factory=list)
    heard: Unanswered | None = None
    locks: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.machine.name

    @name.setter
    def name(self, value: str) -> None:
        raise AttributeError(value)

    def watched(self) -> Unanswered | None:
        """Give what the watch of this host has heard, and keep it: a seizure is judged by that."""
        self.heard = self.world.unanswered.get(self.name)
        return self.heard

    def _alive(self) -> None:
        if self.dead or not self.machine.on:
            raise Killed

    def _point(self, *, after: bool) -> None:
        if self.kill and self.kill.number == self.count and self.kill.after is after:
            self.dead = True
        self._alive()

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        """Run a command of the machine's tools; every changing one is watched, and may be the last."""
        words = tuple(argv)
        with self.world.lock:
            self._alive()
            if any(words[: len(look)] == look for look in LOOKS):
                return self._spoiled(words, timeout) or self.machine.command(words)
            self.count += 1
            self._point(after=False)
        if self.world.hook:
            self.world.hook(self, words)
        with self.world.lock:
            self._alive()
            self.world.watch_issue(self, words)
            done = self._spoiled(words, timeout) or self.machine.command(words)
            self.world.advance(SECONDS_A_COMMAND)
            self.world.commands.append((self.name, words, done.code))
            self.world.watch_effect()
            self._point(after=True)
        return done

    def _spoiled(self, argv: tuple[str, ...], timeout: float) -> Completed | None:
        text = " ".join(argv)
        for fault in self.world.faults:
            if fault.times > 0 and fault.words in text and fault.host in ("", self.name):
                fault.times -= 1
                if fault.late:
                    self.machine.command(argv)
                if fault.hangs:
                    self.world.advance(timeout)
                    raise CommandTimeout(argv, timeout)
                return Completed(argv, fault.code, "", fault.err)
        return None

    def read(self, path: str, most: int = 0) -> str:  # noqa: ARG002 - files are small in this world
        with self.world.lock:
            self._alive()
            return self.machine.read(path)

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        with self.world.lock:
            self._record(path)
            self.machine.write(path, text, durable=durable)
            self._point(after=path.startswith(REMEMBERS))

    def _record(self, path: str) -> None:
        self._alive()
        if path.startswith(REMEMBERS):
            self.count += 1
            self._point(after=False)

    def remove(self, path: str, *, durable: bool = False) -> None:
        with self.world.lock:
            self._record(path)
            self.machine.files.pop(path, None)
            if durable:
                self.machine.synced.pop(path, None)
            self._point(after=path.startswith(REMEMBERS))

    def names(self, directory: str) -> list[str]:
        with self.world.lock:
            self._alive()
            return self.machine.names(directory)

    def exists(self, path: str) -> bool:
        return path in self.machine.files or path in PROGRAMS

    def unwritable(self, directory: str) -> str:
        return "full" if any(fnmatch(f"{directory}/x", pattern) for pattern in self.machine.full) else ""

    def device_number(self, path: str) -> str | None:
        with self.world.lock:
            return self.machine.number(path)

    def link_target(self, path: str) -> str | None:
        return self.machine.links.get(path)

    def mount_id(self, link: str) -> str:
        raise FileNotFoundError(link)

    def device_of(self, link: str) -> str:
        raise FileNotFoundError(link)

    def now(self) -> float:
        self._alive()
        return self.machine.now()

    def wall(self) -> float:
        return WALL + self.world.clock

    def boot_id(self) -> str:
        return f"{self.name}-{self.machine.boot}"

    def sleep(self, seconds: float) -> None:
        self._alive()
        self.world.advance(seconds)
        self._alive()

    def signal(self, pid: int, number: int, started: str = "") -> None:  # noqa: ARG002 - as of a Host
        self.machine.signal(pid, number)

    def answers(self, interface: str, address: str, timeout: float) -> bool:
        with self.world.lock:
            self._alive()
            return self._heard(self.world.answers(self.machine, address, interface), timeout)

    def pings(self, address: str, timeout: float) -> bool:
        raise NotImplementedError  # no service of this world has `ping:`, and no host a default gateway

    def date(self) -> str:
        return f"{self.world.clock:.1f} s"

    def converses(self, address, _port, _request, _good, limits) -> bool:  # type: ignore[no-untyped-def]  # noqa: ANN001 - as of a Host
        return self.connects(address, 0, limits[0])  # of this world's units each one that is active answers

    def connects(self, address: str, port: int, timeout: float) -> bool:  # noqa: ARG002 - one port in this world
        with self.world.lock:
            self._alive()
            return self._heard(self.world.connects(self.machine, address), timeout)

    def _heard(self, answer: bool, timeout: float) -> bool:
        if answer:
            self.silences.clear()
        else:
            self.silences.append(self.world.clock)
            self.world.advance(timeout)
        return answer

    @contextmanager
    def lock(self, path: str, timeout: float) -> Iterator[None]:
        held = self.world.shared.setdefault("locks", "").split()
        key = f"{self.name}:{path}"
        if key in held:
            raise Busy(f"another pass holds {path} for more than {timeout:g} s")
        self.world.shared["locks"] = " ".join([*held, key])
        try:
            yield
        finally:
            self.world.shared["locks"] = " ".join(one for one in self.world.shared["locks"].split() if one != key)


def force_role(world: World, name: str, role: str) -> None:
    """Let keepalived of a host say this role; NONE: it was killed."""
    beat = world.machines[name].keepalived
    beat.forced = True
    words = {"CANDIDATE": ["MASTER", "BACKUP"]}.get(role, [role, role])
    for instance, word in zip(beat.instances, words, strict=False):
        instance.word = word
    if role == "NONE":
        world.machines[name].stop_keepalived("failed")


def seed(number: int) -> random.Random:
    """Give the chances of one schedule, and make tenacity's waits the same every time."""
    random.seed(number)
    return random.Random(number)  # noqa: S311 - chances of a test
