"""Whether keepalived writes its events to the FIFO that the agent reads: both hold it open, and it may have been removed."""

import contextlib
from collections.abc import Iterator

from nvkeep.host import Host

FIFO = "/run/nvkeep/vrrp.fifo"
CHILD_PID = "/run/vrrp.pid"
FIX = "keepalived writes its events to a FIFO that was removed, so nvkeep has to poll for roles; systemctl reload keepalived"


def deaf(host: Host) -> str:
    """Say so when keepalived holds a FIFO that is not there any more; empty when it does not, or cannot be looked at."""
    targets = list(_opened(host))
    return FIX if f"{FIFO} (deleted)" in targets and FIFO not in targets else ""


def _opened(host: Host) -> Iterator[str]:
    with contextlib.suppress(OSError, ValueError):
        where = f"/proc/{int(host.read(CHILD_PID))}/fd"
        for name in host.names(where):
            yield host.link_target(f"{where}/{name}") or ""
