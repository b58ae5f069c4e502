"""How systemd-nspawn is called for a server, and how the server's first process is found."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lab import cgroups, places
from lab.commands import LabError, run

# With --keep-unit it leaves a reboot to whoever started it, and says so with this exit code.
REBOOT = 133


def command(name: str, namespace: Path) -> tuple[str, ...]:
    """Return the command that boots a server in its network namespace."""
    side = places.nvmesh(name)
    return (
        # Not --network-namespace-path: the server would see the machine's interfaces in its /sys/class/net.
        "nsenter",
        f"--net={namespace}",
        # The network's own settings can be written, as in a real server; the machine's cannot.
        "env",
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",
        "systemd-nspawn",
        "--quiet",
        f"--directory={places.server(name) / 'root'}",
        f"--machine={name}",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--capability=all",
        "--system-call-filter=open_by_handle_at",  # of a file server in user space; not among those that nspawn lets through
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        f"--bind={side / 'proc'}:/run/nvmesh-proc",
        f"--bind={side / 'sock'}:/run/nvmesh-sim",
        f"--bind={side / 'dev'}:/dev/nvmesh",
        f"--bind={places.SHARED}:/shared",
    )


def init(name: str) -> int | None:
    """Return the first process of a server as seen from outside; None when it is off."""
    for pid in cgroups.pids(cgroups.hierarchies()[-1] / f"{cgroups.PREFIX}{name}"):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            spaces = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
            if spaces[-1] == "1" and len(spaces) == 3:  # noqa: PLR2004 - the label, the outer pid and the inner one
                return pid
    return None


def number_from(init: int, pid: int) -> None:
    """Let a server number its next processes from a pid on; from outside, because it may not write the kernel's settings."""
    script = f"echo {pid} > /proc/sys/kernel/ns_last_pid"
    with contextlib.suppress(LabError):  # it has just died
        run(("nsenter", "-t", str(init), "--pid", "sh", "-c", script))
