"""The busy-umount escalation: umount; who holds it; SIGTERM; SIGKILL; then one sentence that names who still holds it.

Run as `nvkeep umount PATH`. Every step is reported when it is taken. Nothing is ever unmounted lazily, and a file system
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
from nvkeep.model.frozen import frozen
from nvkeep.probes import mountinfo, superblock
from nvkeep.unmount import blockers
from nvkeep.unmount.blocker import PROTECTED, Blocker, Sort, gone_is

TERM_LIMIT_S = 5.0  # between SIGTERM and SIGKILL, at most
FOREIGN_LIMIT_S = 3.0  # for holders that may not be ended: some go by themselves
KILL_LIMIT_S = 10.0  # in which those who come back are killed again, at most
UMOUNT_DELAYS_S = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2)  # before each umount of a round: what was killed needs a moment to be gone
UMOUNT_TIMEOUT_S = 5.0  # for an umount of what is in the way
MOST_NAMED = 5  # holders that a sentence names


@frozen
class Request:
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
    request: Request
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
        self.say(f"{self.request.path} is not released: {self.why_not}")
        present: tuple[Blocker, ...] = ()
        while True:
            before, present = present, blockers.look(self.host, self.request.path, self.number)
            if present != before:
                self.say(f"held by: {named(present, len(present))}")
            self._clear_the_way(present)
            targets = [blocker for blocker in present if self.may_end(blocker)]
            self._signal(targets)
            if any(self._released(after) for after in UMOUNT_DELAYS_S):
                self.say(f"{self.request.path} is released")
                return ""
            if self._over(self._patience(present, targets)):
                return self._sentence(blockers.look(self.host, self.request.path, self.number))

    # --- umount -------------------------------------------------------------------------------------------------------

    def _number(self) -> str | None:
        """Give the device by its number, also where its node is gone: what is mounted last at the path is then meant."""
        last = [entry.device for entry in mountinfo.read(self.host) if entry.path == self.request.path]
        return self.host.device_number(self.request.device) or (last[-1] if last else None)

    def _released(self, after: float = 0.0) -> bool:
        """Unmount what is mounted at the path, and look whether the kernel still has the file system."""
        if after and self._left <= 0:
            return False
        self.host.sleep(after)
        while self._mounted():
            if not self._umount(self.request.path, max(1.0, self._left)) and self._mounted():
                return False
        if any(entry.path in self.request.beside for entry in mountinfo.read(self.host)):
            return True
        self.why_not = "it is unmounted, but the kernel still has it"
        return not superblock.alive(self.host, self.number)

    def _mounted(self) -> bool:
        return any(entry.path == self.request.path for entry in mountinfo.read(self.host))

    def _umount(self, path: str, seconds: float) -> bool:
        return self._run(("umount", path), seconds)

    def _run(self, argv: tuple[str, ...], seconds: float) -> bool:
        try:
            done = self.host.run(argv, seconds)
        except CommandTimeout as late:
            self.why_not = str(late)
            return False
        self.why_not = done.err.strip() or f"`{' '.join(argv)}` ended with {done.code}"
        return not done.code

    def _clear_the_way(self, present: Iterable[Blocker]) -> None:
        """Unmount what is mounted on it, deepest first; by policy also what holds it elsewhere."""
        for blocker in reversed(tuple(present)):
            if blocker.path in self.request.beside:
                continue
            below = blocker.sort is Sort.MOUNT and mountinfo.within(blocker.path, self.request.path)
            ours = blocker.sort is Sort.NAMESPACE and self.may_end(blocker)
            if below or ours or (blocker.sort in (Sort.MOUNT, Sort.LOOP) and self.request.policy == "all"):
                self._remedy(blocker)

    def _remedy(self, blocker: Blocker) -> None:
        """Run the command that ends what is no process; report it when that ends otherwise than before."""
        done = self._run(blocker.cure, self._short)
        if self.tried.get(blocker.remedy) != done:
            self.say(f"`{blocker.remedy}`: {'done' if done else self.why_not}")
        self.tried[blocker.remedy] = done

    # --- end who holds ------------------------------------------------------------------------------------------------

    def may_end(self, blocker: Blocker) -> bool:
        """Return whether the policy lets a holder be ended."""
        if (
            blocker.sort not in (Sort.PROCESS, Sort.NAMESPACE)
            or blocker.pid == 1
            or blocker.pid in self.family
            or blocker.unit in PROTECTED
        ):
            return False
        return self.request.policy == "all" or (self.request.policy == "unit" and blocker.unit in self.request.units)

    def _signal(self, targets: Iterable[Blocker]) -> None:
        number = signal.SIGKILL if self._over(self._gentle) else signal.SIGTERM
        for blocker in targets:
            if blocker.sort is Sort.PROCESS and (blocker.pid, number) not in self.sent:
                self.sent.add((blocker.pid, number))
                self.say(f"{number.name} to {blocker}")
                with suppress(ProcessLookupError):
                    self.host.signal(blocker.pid, number, blocker.started)

    # --- time, and words ----------------------------------------------------------------------------------------------

    @property
    def _gentle(self) -> float:
        return min(TERM_LIMIT_S, self.request.within / 4)

    @property
    def _left(self) -> float:
        return self.begun + self.request.within - self.host.now()

    @property
    def _short(self) -> float:
        return min(UMOUNT_TIMEOUT_S, max(1.0, self._left))

    def _patience(self, present: tuple[Blocker, ...], targets: list[Blocker]) -> float:
        if not present and not self._mounted():
            return self.request.within  # it is being written out
        return KILL_LIMIT_S + self._gentle if targets else FOREIGN_LIMIT_S

    def _over(self, seconds: float) -> bool:
        return self._left <= 0 or self.host.now() - self.begun >= seconds

    def _sentence(self, present: tuple[Blocker, ...]) -> str:
        path = self.request.path
        if not present:
            hint = "it is being written out, or its storage does not answer"
            return f"{path}: {self.why_not}, and nobody is seen to hold it: {hint}"
        remedies = "; ".join(dict.fromkeys(blocker.remedy for blocker in present[:MOST_NAMED]))
        return f"{path} is held: {named(present, MOST_NAMED)} ({self._why(present)}); type: {remedies}"

    def _why(self, present: tuple[Blocker, ...]) -> str:
        sorts = {blocker.sort for blocker in present if self.may_end(blocker)}
        if Sort.PROCESS in sorts:
            return "it was killed, and is back or hangs in the kernel"
        return "its umount there was refused" if sorts else f"holders: {self.request.policy} leaves it alone"


def named(present: tuple[Blocker, ...], most: int) -> str:
    """Name those who hold; the first ones, and how many more there are."""
    more = f"; and {len(present) - most} more, see nvkeep holders" if len(present) > most else ""
    return "; ".join(map(str, present[:most])) + more if present else "nobody that can be seen"


def family(host: Host, pid: int) -> frozenset[int]:
    """Give a process and its parents."""
    numbers = set()
    while pid > 0:
        numbers.add(pid)
        stat = gone_is("", host.read, f"/proc/{pid}/stat")
        pid = int(stat.rpartition(")")[2].split()[1]) if stat else 0
    return frozenset(numbers)


def own_names(host: Host, units: tuple[str, ...]) -> tuple[str, ...]:
    """Give the names systemd uses for units, which may be written by an alias. Raises ProbeError."""
    if not units:
        return ()
    try:
        done = host.run(("systemctl", "show", "--property=Id", "--value", "--", *units), 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    return tuple({*units, *done.out.split()})
