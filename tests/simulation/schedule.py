"""Random schedules over two or three hosts: faults, deaths of passes, passes within passes; then quiet, and what must hold."""

from collections.abc import Callable
from typing import NamedTuple

from nvkeep.model.spec import Cluster
from tests.simulation.parts import Placed
from tests.simulation.world import ADDRESS_ON, IP, PATH, UNIT, Kill, Process, World, cluster, seed

QUIET, ROUND = 80, 5.0  # rounds within which everything settles after the last fault, and their length in seconds
STORMS, NESTED, DYING = 0.45, 0.25, 0.2  # chances: a fault a second; another host's pass at a command; a pass that dies


class Setting(NamedTuple):
    """What kind of cluster a schedule runs on."""

    hosts: int
    beats: int
    health: str
    backend: str

    @property
    def cluster(self) -> Cluster:
        return cluster(("a", "b", "c")[: self.hosts], beats=self.beats, health=self.health, backend=self.backend)


class Schedule:
    """One schedule; the same number gives the same one again."""

    def __init__(self, number: int, setting: Setting, seconds: int = 40) -> None:
        self.chance = seed(number)
        self.world = World(setting.cluster, watching=number % 2 == 1)
        self.seconds = seconds
        self.nested = False
        self.fixing: list[tuple[float, Callable[[Schedule, str], None], str]] = []
        self.told: list[str] = []
        for machine in self.world.machines.values():
            machine.start_keepalived()

    def run(self) -> str:
        """Run it; say what is wrong at the end, or nothing."""
        self._rounds(8, 1.0)
        self.world.hook = self._within
        for _ in range(self.seconds):
            if self.chance.random() < STORMS:
                self._fault()
            self._rounds(1, 1.0, dying=DYING)
            self._mend()
        self.world.hook = None
        self._heal()
        self._rounds(20, 1.0)
        for _ in range(QUIET):
            since = len(self.world.commands)
            self._rounds(1, ROUND)
            if self.world.violations or (not self.world.changes(since) and not self.wrong()):
                break
        return self.wrong() or self._does_nothing()

    def wrong(self) -> str:
        world = self.world
        if world.violations:
            return f"unsafe: {world.violations[:3]}\n  {self.trace()}"
        serving = [name for name in world.names if world.serves(name)]
        dirty = [name for name in world.names if name not in serving and not world.clean(name)]
        if len(serving) != 1 or dirty:
            words = {name: [one.word for one in machine.keepalived.instances] for name, machine in world.machines.items()}
            return (
                f"serving {serving}, not clean {dirty}, keepalived {words}, {world.volumes or world.shared}\n  {self.trace()}"
            )
        return ""

    def trace(self) -> str:
        return "\n  ".join(self.told[-60:])

    def _does_nothing(self) -> str:
        since = len(self.world.commands)
        self._rounds(2, 11.0)
        found = self.world.changes(since)
        return f"settled, and yet: {found}\n  {self.trace()}" if found else self.wrong()

    def _rounds(self, count: int, seconds: float, dying: float = 0.0) -> None:
        for _ in range(count):
            self.world.advance(seconds)
            for name in self.chance.sample(self.world.names, len(self.world.names)):
                self._pass(name, dying)

    def _pass(self, name: str, dying: float = 0.0) -> None:
        if not self.world.machines[name].on:
            return
        kill = Kill(self.chance.randint(1, 12), self.chance.random() < 0.5) if self.chance.random() < dying else None
        since, begun, stays = len(self.world.commands), self.world.clock, self._stays(name)
        report = self.world.make_pass(name, kill)
        taken = any(at >= begun for at in self.world.machines[name].excused.values())
        if stays and not taken and any(host == name and argv[:1] != ("ip",) for host, argv, _ in self.world.commands[since:]):
            self.world.violated(6, f"{name} served and held, and its pass did {self.world.commands[since:]}")
        ran = [f"{host}:{' '.join(argv)}={code}" for host, argv, code in self.world.commands[since:]]
        did = f"{report.line} {report.did}: {report.why}" if report else "killed"
        if ran or (report and report.did not in ("serve", "rest")) or not report:
            self.told.append(f"{self.world.clock:.1f} {name} {did} {ran}")

    def _stays(self, name: str) -> bool:
        """Return whether a host serves and has no reason to release: then its pass has nothing to do."""
        machine = self.world.machines[name]
        ordered = machine.keepalived.unit == "inactive"
        return self.world.serves(name) and not ordered and ADDRESS_ON not in machine.down

    def _within(self, process: Process, _: tuple[str, ...]) -> None:
        """Run another host's whole pass in the middle of this one; not on a host whose pass is under way."""
        if self.nested or self.chance.random() > NESTED:
            return
        others = [name for name in self.world.names if name != process.name]
        self.nested = True
        try:
            self._pass(self.chance.choice(others))
        finally:
            self.nested = False

    # --- faults -------------------------------------------------------------------------------------------------------

    def _fault(self) -> None:
        name = self.chance.choice(self.world.names)
        what = self.chance.choice(FAULTS)
        self.told.append(f"{self.world.clock:.1f} {name}: {what.__name__.strip('_')}")
        what(self, name)
        if what in PASSING:
            self.fixing.append((self.world.clock + self.chance.uniform(1, 14), what, name))

    def _mend(self) -> None:
        """Undo what is a toggle after a while, so that a storm is not one long outage."""
        due = [entry for entry in self.fixing if entry[0] <= self.world.clock]
        self.fixing = [entry for entry in self.fixing if entry not in due]
        for _, what, name in due:
            self.told.append(f"{self.world.clock:.1f} {name}: {what.__name__} once more")
            what(self, name)

    def power(self, name: str) -> None:
        machine = self.world.machines[name]
        if machine.on:
            machine.power_cut()
        else:
            machine.power_on()

    def kill_keepalived(self, name: str) -> None:
        self.world.machines[name].stop_keepalived("failed")

    def stop_keepalived(self, name: str) -> None:
        self.world.machines[name].stop_keepalived("inactive")

    def start_keepalived(self, name: str) -> None:
        machine = self.world.machines[name]
        if machine.on and not machine.keepalived.running:
            machine.start_keepalived()

    def freeze_keepalived(self, name: str) -> None:
        beat = self.world.machines[name].keepalived
        beat.frozen = not beat.frozen

    def cut_heartbeat(self, _: str) -> None:
        self.world.cuts ^= {"hb0"}

    def cut_service_network(self, name: str) -> None:
        self.world.machines[name].down ^= {ADDRESS_ON}

    def seize(self, _: str) -> None:
        self.world.seize_behind_its_back(self.chance.choice(self.world.all_volumes))

    def unit_dies(self, name: str) -> None:
        self.world.machines[name].units[UNIT].kill()

    def umounted(self, name: str) -> None:
        machine = self.world.machines[name]
        machine.units[UNIT].kill()
        machine.umount((PATH,))

    def address_removed(self, name: str) -> None:
        machine = self.world.machines[name]
        machine.addresses = [one for one in machine.addresses if one.ip != IP]

    def wrong_prefix(self, name: str) -> None:
        machine = self.world.machines[name]
        if machine.on and any(one.ip == IP for one in machine.addresses):
            machine.addresses.append(Placed(IP, 25, ADDRESS_ON, ADDRESS_ON))

    def unit_will_fail(self, name: str) -> None:
        self.world.machines[name].units[UNIT].fails = 1

    def _heal(self) -> None:
        self.world.cuts.clear()
        for machine in self.world.machines.values():
            machine.down.clear()
            machine.units[UNIT].fails = 0
            if not machine.on:
                machine.power_on()
            if not machine.keepalived.running:
                machine.start_keepalived()
            machine.keepalived.frozen = False
        self.told.append(f"{self.world.clock:.1f} all is healed")


FAULTS: tuple[Callable[[Schedule, str], None], ...] = (
    Schedule.power, Schedule.power, Schedule.kill_keepalived, Schedule.stop_keepalived, Schedule.start_keepalived,
    Schedule.start_keepalived, Schedule.freeze_keepalived, Schedule.cut_heartbeat, Schedule.cut_service_network,
    Schedule.seize, Schedule.unit_dies, Schedule.umounted, Schedule.address_removed, Schedule.wrong_prefix,
    Schedule.unit_will_fail,
)  # fmt: skip


PASSING = (Schedule.power, Schedule.freeze_keepalived, Schedule.cut_heartbeat, Schedule.cut_service_network)
