"""A unit of systemd: `systemctl show`, which answers also for units it does not know."""

from typing import NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host

PROPERTIES = "LoadState,ActiveState,SubState,Result,Job,MainPID,InactiveEnterTimestampMonotonic"

AT_BOOT = ("enabled", "enabled-runtime", "static", "generated", "alias")


class Entry(NamedTuple):
    """What systemd says. `job`: something is queued for it; `inactive_since`: seconds since boot, 0 = never left."""

    load: str
    active: str
    sub: str
    result: str
    job: bool
    pid: int
    inactive_since: float


def read(host: Host, unit: str) -> Entry:
    """Ask systemd about one unit. Raises ProbeError."""
    argv = ("systemctl", "show", f"--property={PROPERTIES}", "--", unit)
    try:
        done = host.run(argv, 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done.code:
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {done.err.strip()}")
    return parse(done.out)


def enabled(host: Host, unit: str) -> bool:
    """Tell whether systemd starts a unit at boot. Raises ProbeError."""
    done = host.run(("systemctl", "is-enabled", "--", unit), 5.0)
    if not done.out.strip():
        raise ProbeError(f"`{' '.join(done.argv)}` ended with {done.code}: {done.err.strip()}")
    return done.out.strip() in AT_BOOT


def parse(text: str) -> Entry:
    """Parse KEY=VALUE lines. Raises ProbeError when a state is missing."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        return Entry(
            load=found["LoadState"],
            active=found["ActiveState"],
            sub=found["SubState"],
            result=found.get("Result", ""),
            job=found.get("Job", "0") not in ("", "0"),
            pid=int(found.get("MainPID", "0") or 0),
            inactive_since=int(found.get("InactiveEnterTimestampMonotonic", "0") or 0) / 1e6,
        )
    except (KeyError, ValueError) as error:
        raise ProbeError(f"systemctl show printed something else: {error}") from error
