"""The parts of the simulated world that are not a host: storage with reservations, systemd's units, keepalived's instances."""

from dataclasses import dataclass, field

EXCLUSIVE, SHARED = "EXCLUSIVE_READ_WRITE", "SHARED_READ_WRITE"
NEVER = float("inf")


@dataclass
class Reservation:
    """Who may write to one volume, told by the storage itself; a higher version fences every older attachment."""

    version: int = 0
    exclusive: str | None = None
    shared: set[str] = field(default_factory=set)
    log: list[tuple[float, str | None]] = field(default_factory=list)

    def grant(self, host: str, now: float) -> int:
        self.version += 1
        self.exclusive = host
        self.shared.clear()
        self.log.append((now, host))
        return self.version

    def give_back(self, host: str, version: int, now: float) -> None:
        self.shared.discard(host)
        if self.exclusive == host and self.version == version:
            self.exclusive = None
            self.log.append((now, None))


@dataclass
class Attachment:
    """An attachment of NVMesh on one host; `gone_at`: a detach is under way until then."""

    mode: str
    version: int
    number: str
    io_at: float = 0.0
    gone_at: float = NEVER


@dataclass
class Mounted:
    """One line of a mount table; `volume` names the volume whose device this is, "" for any other device."""

    path: str
    number: str
    source: str
    fstype: str
    options: set[str]
    volume: str = ""
    lost: bool = False


@dataclass(frozen=True)
class Placed:
    """One address on one interface."""

    ip: str
    prefix: int
    interface: str
    label: str


@dataclass
class Unit:
    """A unit of systemd: jobs take time; `paths` are the file systems its processes use."""

    active: str = "inactive"
    job: str = ""
    due: float = NEVER
    start_takes: float = 0.3
    stop_takes: float = 0.4
    fails: int = 0
    loaded: bool = True
    file: str = "disabled"
    immortal: bool = False

    @property
    def running(self) -> bool:
        return self.active in ("active", "activating", "deactivating")

    def advance(self, now: float) -> None:
        while now >= self.due:
            at, self.due = self.due, NEVER
            if self.active == "activating":
                self.active = "failed" if self.fails else "active"
                self.fails = max(0, self.fails - 1)
                self.job = ""
            elif self.active == "deactivating":
                self.active = "inactive"
                again, self.job = self.job == "start", ""
                if again:
                    self.start(at)

    def start(self, now: float) -> None:
        if self.active == "deactivating":
            self.job = "start"
        elif self.active in ("inactive", "failed"):
            self.active, self.job, self.due = "activating", "start", now + self.start_takes

    def stop(self, now: float) -> None:
        if self.active == "deactivating":
            self.job = "stop"
        elif self.running:
            self.active, self.job = "deactivating", "stop"
            self.due = NEVER if self.immortal else now + self.stop_takes

    def kill(self) -> None:
        """End its processes at once, unless they hang in the kernel."""
        if self.running and not self.immortal:
            self.active = "inactive" if self.active == "deactivating" else "failed"
            self.job, self.due = "", NEVER


@dataclass
class Instance:
    """One VRRP instance: nopreempt, dont_track_primary, one tracked flag."""

    word: str = "FAULT"
    heard: float = 0.0
    received: int = 0


@dataclass
class Keepalived:
    """keepalived on one host. `forced`: a test decides the words itself."""

    running: bool = True
    frozen: bool = False
    pid: int = 700
    started: int = 1000
    inactive_since: float = 0.0
    unit: str = "active"
    forced: bool = False
    instances: list[Instance] = field(default_factory=list)

    @property
    def speaks(self) -> bool:
        return self.running and not self.frozen
