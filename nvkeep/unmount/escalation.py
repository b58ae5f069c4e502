"""The busy-umount escalation: umount; who holds it; SIGTERM; SIGKILL; then one sentence that names who still holds it.

Run as `nvkeep umount PATH`. Every step is told by name when it is taken. Nothing is ever unmounted lazily, and a file system
that the kernel still has is not released, wherever it is mounted. Who may be ended is the policy of the service:

    none   nobody
    unit   processes in the control groups of the service's own units
    all    everybody but those in PROTECTED, this process and its parents
"""

import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from nvkeep.errors import CommandTimeout, NvkeepError, ProbeError
from nvkeep.host import Host
from nvkeep.probes import mountinfo, superblock
from nvkeep.unmount import blockers
from nvkeep.unmount.blocker import PROTECTED, Blocker, Sort, gone_is

GENTLE = 5.0  # seconds between SIGTERM and SIGKILL, at most
PATIENCE = 3.0  # seconds for holders that may not be ended: some go by themselves
FIRM = 10.0  # seconds in which those who come back are killed again, at most
TRIES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2)  # seconds before each umount of a round: what was killed needs a moment to be gone
UMOUNT = 5.0  # seconds for an umount of what is in the way
NAMED = 5  # holders that a sentence names


@dataclass(frozen=True)
class Task:
    """What is to be unmounted, who may be ended for it, in how many seconds, and where else the volume may stay mounted."""

    path: str
    device: str
    policy: str = "unit"
    units: tuple[str, ...] = ()
    within: float = 30.0
    beside: tuple[str, ...] = ()


@dataclass
class Escalation:
    """One escalation. `say` tells each step; `family` are the pids of this process and its parents."""

    host: Host
    task: Task
    say: Callable[[str], None]
    family: frozenset[int] = frozenset()
    sent: set[tuple[int, int]] = field(default_factory=set)
    tried: dict[str, bool] = field(default_factory=dict)

    def run(self) -> str:
        """Unmount; empty when it is done, else one sentence that says who holds it. Raises ProbeError."""
        self.begun = self.host.now()
        self.number = self._number()
        if self._released():
            return ""
        self.say(f"{self.task.path} is not released: {self.said}")
        found: tuple[Blocker, ...] = ()
        while True:
            before, found = found, blockers.look(self.host, self.task.path, self.number)
            if found != before:
                self.say(f"held by: {named(found, len(found))}")
            self._clear_the_way(found)
            targets = [one for one in found if self.may_end(one)]
            self._signal(targets)
            if any(self._released(after) for after in TRIES):
                self.say(f"{self.task.path} is released")
                return ""
            if self._over(self._patience(found, targets)):
                return self._sentence(blockers.look(self.host, self.task.path, self.number))

    # --- umount -------------------------------------------------------------------------------------------------------

    def _number(self) -> str | None:
        """Give the device by its number, also where its node is gone: what is mounted last at the path is then meant."""
        last = [one.device for one in mountinfo.read(self.host) if one.path == self.task.path]
        return self.host.device_number(self.task.device) or (last[-1] if last else None)

    def _released(self, after: float = 0.0) -> bool:
        """Unmount what is mounted at the path, and look whether the kernel still has the file system."""
        if after and self._left <= 0:
            return False
        self.host.sleep(after)
        while self._mounted():
            if not self._umount(self.task.path, max(1.0, self._left)) and self._mounted():
                return False
        if any(one.path in self.task.beside for one in mountinfo.read(self.host)):
            return True
        self.said = "it is unmounted, but the kernel still has it"
        return not superblock.alive(self.host, self.number)

    def _mounted(self) -> bool:
        return any(one.path == self.task.path for one in mountinfo.read(self.host))

    def _umount(self, path: str, seconds: float) -> bool:
        return self._run(("umount", path), seconds)

    def _run(self, argv: tuple[str, ...], seconds: float) -> bool:
        try:
            done = self.host.run(argv, seconds)
        except CommandTimeout as late:
            self.said = str(late)
            return False
        self.said = done.err.strip() or f"`{' '.join(argv)}` ended with {done.code}"
        return not done.code

    def _clear_the_way(self, found: Iterable[Blocker]) -> None:
        """Unmount what is mounted on it, deepest first; by policy also what holds it elsewhere."""
        for one in reversed(tuple(found)):
            if one.path in self.task.beside:
                continue
            below = one.sort is Sort.MOUNT and mountinfo.within(one.path, self.task.path)
            ours = one.sort is Sort.NAMESPACE and self.may_end(one)
            if below or ours or (one.sort in (Sort.MOUNT, Sort.LOOP) and self.task.policy == "all"):
                self._remedy(one)

    def _remedy(self, one: Blocker) -> None:
        """Run the command that ends what is no process; report it when that ends otherwise than before."""
        done = self._run(one.cure, self._short)
        if self.tried.get(one.remedy) != done:
            self.say(f"`{one.remedy}`: {'done' if done else self.said}")
        self.tried[one.remedy] = done

    # --- end who holds ------------------------------------------------------------------------------------------------

    def may_end(self, one: Blocker) -> bool:
        """Return whether the policy lets a holder be ended."""
        if one.sort not in (Sort.PROCESS, Sort.NAMESPACE) or one.pid == 1 or one.pid in self.family or one.unit in PROTECTED:
            return False
        return self.task.policy == "all" or (self.task.policy == "unit" and one.unit in self.task.units)

    def _signal(self, targets: Iterable[Blocker]) -> None:
        number = signal.SIGKILL if self._over(self._gentle) else signal.SIGTERM
        for one in targets:
            if one.sort is Sort.PROCESS and (one.pid, number) not in self.sent:
                self.sent.add((one.pid, number))
                self.say(f"{number.name} to {one}")
                with suppress(ProcessLookupError):
                    self.host.signal(one.pid, number)

    # --- time, and words ----------------------------------------------------------------------------------------------

    @property
    def _gentle(self) -> float:
        return min(GENTLE, self.task.within / 4)

    @property
    def _left(self) -> float:
        return self.begun + self.task.within - self.host.now()

    @property
    def _short(self) -> float:
        return min(UMOUNT, max(1.0, self._left))

    def _patience(self, found: tuple[Blocker, ...], targets: list[Blocker]) -> float:
        if not found and not self._mounted():
            return self.task.within  # it is being written out
        return FIRM + self._gentle if targets else PATIENCE

    def _over(self, seconds: float) -> bool:
        return self._left <= 0 or self.host.now() - self.begun >= seconds

    def _sentence(self, found: tuple[Blocker, ...]) -> str:
        path = self.task.path
        if not found:
            return (
                f"{path}: {self.said}, and nobody is seen to hold it: it is being written out, or its storage does not answer"
            )
        remedies = "; ".join(dict.fromkeys(one.remedy for one in found[:NAMED]))
        return f"{path} is held: {named(found, NAMED)} ({self._why(found)}); type: {remedies}"

    def _why(self, found: tuple[Blocker, ...]) -> str:
        sorts = {one.sort for one in found if self.may_end(one)}
        if Sort.PROCESS in sorts:
            return "it was killed, and is back or hangs in the kernel"
        return "its umount there was refused" if sorts else f"holders: {self.task.policy} leaves it alone"


def named(found: tuple[Blocker, ...], most: int) -> str:
    """Name those who hold; the first ones, and how many more there are."""
    more = f"; and {len(found) - most} more, see nvkeep holders" if len(found) > most else ""
    return "; ".join(map(str, found[:most])) + more if found else "nobody that can be seen"


def family(host: Host, pid: int) -> frozenset[int]:
    """Give a process and its parents."""
    found = set()
    while pid > 0:
        found.add(pid)
        stat = gone_is("", host.read, f"/proc/{pid}/stat")
        pid = int(stat.rpartition(")")[2].split()[1]) if stat else 0
    return frozenset(found)


def own_names(host: Host, units: tuple[str, ...]) -> tuple[str, ...]:
    """Give the names systemd uses for units, which may be written by an alias. Raises ProbeError."""
    if not units:
        return ()
    try:
        done = host.run(("systemctl", "show", "--property=Id", "--value", "--", *units), 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    return tuple({*units, *done.out.split()})
