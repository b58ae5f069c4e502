"""A unit of systemd: `systemctl show`, which answers also for units it does not know."""

from collections.abc import Sequence
from typing import NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, lines

PROPERTIES = "LoadState,ActiveState,SubState,Result,Job,MainPID,InactiveEnterTimestampMonotonic"

LOADS = frozenset({"stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked"})
STATES = frozenset(
    {"active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing"}
)  # of systemd 249 to 257
AT_BOOT = ("enabled", "enabled-runtime", "static", "generated", "alias")

INSTALLED = "LoadState,UnitFileState,WantedBy,RequiredBy,TriggeredBy"
PULLED = ("WantedBy", "RequiredBy", "TriggeredBy")  # a socket, a path or a timer triggers
BOOT = frozenset(
    f"{name}.target"
    for name in (
        "basic", "default", "graphical", "local-fs", "multi-user", "network-online", "paths", "remote-fs", "sockets", "sysinit",
        "timers",
    )
)  # fmt: skip


class Entry(NamedTuple):
    """What systemd says. `job`: something is queued for it; `inactive_since`: seconds since boot, 0 = never left."""

    load: str
    active: str
    sub: str
    result: str
    job: bool
    pid: int
    inactive_since: float


class Install(NamedTuple):
    """What systemd says of a unit's file. `pulled`: the units that start this one when they are started."""

    load: str
    file: str
    pulled: frozenset[str]

    @property
    def at_boot(self) -> bool:
        """Return whether it is started at boot by a target of every boot, or by one that is not known."""
        return bool(self.pulled & BOOT) or (self.file == "enabled" and not self.pulled)


def read(host: Host, unit: str) -> Entry:
    """Ask systemd about one unit. Raises ProbeError."""
    return parse(_shown(host, PROPERTIES, (unit,)))


def installed(host: Host, units: Sequence[str]) -> dict[str, Install]:
    """Ask systemd about the files of some units, in one call. Raises ProbeError."""
    texts = _shown(host, INSTALLED, units).strip().split("\n\n")
    if len(texts) != len(units):
        raise ProbeError(f"systemctl show printed {len(texts)} units, not the {len(units)} that were asked for")
    return {unit: parse_install(text) for unit, text in zip(units, texts, strict=True)}


def _shown(host: Host, properties: str, units: Sequence[str]) -> str:
    argv = ("systemctl", "show", f"--property={properties}", "--", *units)
    try:
        done = host.run(argv, 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done.code:
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {done.err.strip()}")
    return done.out


def enabled(host: Host, unit: str) -> bool:
    """Return whether systemd starts a unit at boot. Raises ProbeError."""
    done = host.run(("systemctl", "is-enabled", "--", unit), 5.0)
    if not done.out.strip():
        raise ProbeError(f"`{' '.join(done.argv)}` ended with {done.code}: {done.err.strip()}")
    return done.out.strip() in AT_BOOT


def parse_install(text: str) -> Install:
    """Parse KEY=VALUE lines. Raises ProbeError when a state is missing."""
    properties = _pairs(text)
    try:
        pulled = frozenset(" ".join(properties.get(key, "") for key in PULLED).split())
        return Install(_one_of(LOADS, properties["LoadState"]), properties.get("UnitFileState", ""), pulled)
    except (KeyError, ValueError) as error:
        raise ProbeError(f"systemctl show printed something unexpected: {error}") from error


def _one_of(known: frozenset[str], word: str) -> str:
    """Return a word of systemd's; another one than it is known to say is no answer, and never "inactive"."""
    if word not in known:
        raise ValueError(f"{word!r}")
    return word


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines(text) if "=" in line)


def parse(text: str) -> Entry:
    """Parse KEY=VALUE lines. Raises ProbeError when a state is missing."""
    properties = _pairs(text)
    try:
        return Entry(
            load=_one_of(LOADS, properties["LoadState"]),
            active=_one_of(STATES, properties["ActiveState"]),
            sub=properties["SubState"],
            result=properties.get("Result", ""),
            job=properties.get("Job", "0") not in ("", "0"),
            pid=int(properties.get("MainPID", "0") or 0),
            inactive_since=int(properties.get("InactiveEnterTimestampMonotonic", "0") or 0) / 1e6,
        )
    except (KeyError, ValueError, OverflowError) as error:
        raise ProbeError(f"systemctl show printed something unexpected: {error}") from error
