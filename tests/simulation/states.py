"""Every legal state a pass may find, how to bring it about, and where it must end: by the rules, not by the code."""

from collections.abc import Iterator
from itertools import combinations, product
from typing import NamedTuple

from tests.simulation.parts import EXCLUSIVE, SHARED, Mounted, Placed, Unit
from tests.simulation.world import ADDRESS_ON, IP, PATH, UNIT, VOLUME, World, cluster, force_role

ROLES = ("MASTER", "CANDIDATE", "BACKUP", "FAULT", "NONE")
VOLUMES = ("absent", "io", "late io", "preempted", "another", "dead another", "shared")
MOUNTS = ("absent", "right", "options", "read-only", "device")
ADDRESSES = ("absent", "right", "prefix", "interface")
UNITS = ("inactive", "active", "activating", "failed", "deactivating")
CLAIMED = (False, True)
BACKENDS = ("nvmesh", "image")
ROUNDS = 6  # passes within which everything has settled
DEAD = ("dead another",)
HERE = ("io", "late io", "preempted", "shared")  # states in which a device of the volume is on this host


class Found(NamedTuple):
    """What is found on the host when the pass begins."""

    backend: str
    role: str
    volume: str
    mount: str
    address: str
    unit: str
    claimed: bool

    @property
    def legal(self) -> bool:
        """No mount without its device; an image knows no I/O that comes late and no shared way."""
        device = self.volume in HERE or self.mount in ("absent", "device")
        return device and not (self.backend == "image" and self.volume in ("late io", "shared"))

    @property
    def holds(self) -> bool:
        """Return whether this host holds from the first look on."""
        return self.volume == "io" or (self.claimed and self.volume == "late io")

    @property
    def end(self) -> str:
        """Say where this must end, by the eight lines; `serves`, or `clean`: nothing of ours is left."""
        if self.holds:
            return "serves"
        lost = self.claimed or self.mount in ("right", "options", "read-only")
        takes_free = self.role in ("MASTER", "CANDIDATE") and self.volume in ("absent", "late io", "shared")
        takes_from_dead = self.role == "MASTER" and self.volume in DEAD and not lost
        return "serves" if takes_free or takes_from_dead else "clean"


def every_state(backend: str, role: str) -> Iterator[Found]:
    """Give the whole product, without what cannot be."""
    for volume, mount, address, unit, claimed in product(VOLUMES, MOUNTS, ADDRESSES, UNITS, CLAIMED):
        found = Found(backend, role, volume, mount, address, unit, claimed)
        if found.legal:
            yield found


def pairwise(states: list[Found]) -> list[Found]:
    """Choose states so that every pair of values that occurs anywhere occurs in the choice; greedy, always the same."""

    def pairs(one: Found) -> set[tuple[int, object, int, object]]:
        return {(a, one[a], b, one[b]) for a, b in combinations(range(len(one)), 2)}

    missing: set[tuple[int, object, int, object]] = set().union(*map(pairs, states))
    chosen = []
    while missing:
        best = max(states, key=lambda one: len(pairs(one) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen


def bring_about(found: Found) -> World:
    """Build a world in which host a is as found; host b serves where the volume is another's and that host lives."""
    world = World(cluster(backend=found.backend, beats=2))
    _volume(world, found)
    _mount(world, found)
    here = world.machines["a"]
    places = {"right": (24, ADDRESS_ON), "prefix": (25, ADDRESS_ON), "interface": (24, "ot0")}
    if found.address != "absent":
        prefix, interface = places[found.address]
        here.addresses.append(Placed(IP, prefix, interface, interface))
    here.units[UNIT] = Unit(found.unit)
    if found.unit in ("activating", "deactivating"):
        here.units[UNIT].job = "start" if found.unit == "activating" else "stop"
        here.units[UNIT].due = world.clock + 0.4
    if found.claimed:
        here.files["/run/nvkeep/claim/nfs"] = "a-1\n"
    if found.volume in ("another", "preempted"):
        _other_serves(world)
    for volume in world.all_volumes:
        if not here.holds(volume):
            here.excused[volume] = world.clock
    force_role(world, "a", found.role)
    force_role(world, "b", "BACKUP")
    world.commands.clear()
    return world


def _volume(world: World, found: Found) -> None:
    here, other = world.machines["a"], world.machines["b"]
    if found.backend == "image":
        _image(world, found)
        return
    if found.volume in HERE:
        mode = SHARED if found.volume == "shared" else EXCLUSIVE
        here.attach_by_hand(VOLUME, mode, io_delay=2.0 if found.volume == "late io" else 0.0)
    if found.volume in ("another", "preempted", *DEAD):
        other.attach_by_hand(VOLUME, EXCLUSIVE)
    if found.volume in DEAD:
        other.power_cut()


def _image(world: World, found: Found) -> None:
    here, other = world.machines["a"], world.machines["b"]
    holder = {"io": "a", "absent": None}.get(found.volume, "b")
    if holder:
        world.set_lease(world.images[VOLUME], holder)
    for machine in (here,) if found.volume in HERE else ():
        machine.loop_attach((world.images[VOLUME], f"/dev/nvkeep/{VOLUME}"))
    if holder == "b":
        other.loop_attach((world.images[VOLUME], f"/dev/nvkeep/{VOLUME}"))
    if found.volume in DEAD:
        other.power_cut()


def _mount(world: World, found: Found) -> None:
    here = world.machines["a"]
    device = world.service.volumes[0].device
    number = here.number(device)
    if found.mount == "device":
        here.mounts.append(Mounted(PATH, "8:1", "/dev/sdb1", "xfs", {"rw", "noatime"}))
    elif found.mount != "absent" and number:
        options = {"right": {"rw", "noatime"}, "options": {"rw", "relatime"}, "read-only": {"ro", "noatime"}}[found.mount]
        here.mounts.append(Mounted(PATH, number, device, "xfs", options, VOLUME))


def _other_serves(world: World) -> None:
    other = world.machines["b"]
    number = other.number(world.service.volumes[0].device)
    other.mounts.append(Mounted(PATH, str(number), world.service.volumes[0].device, "xfs", {"rw", "noatime"}, VOLUME))
    other.addresses.append(Placed(IP, 24, ADDRESS_ON, ADDRESS_ON))
    other.units[UNIT].active = "active"
