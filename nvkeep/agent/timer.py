"""How often systemd makes passes, whether or not the agent lives: as `timing.reconcile` says."""

from contextlib import suppress

from nvkeep.errors import NvkeepError
from nvkeep.host import Host

TIMER = "nvkeep-reconcile.timer"
DROP_IN = f"/run/systemd/system/{TIMER}.d/interval.conf"


def set_interval(host: Host, seconds: float) -> None:
    """Have the timer come every so many seconds; where that cannot be written, it stays as it is."""
    every = f"{seconds:g}"
    text = f"[Timer]\nOnActiveSec=\nOnUnitActiveSec=\nOnActiveSec={every}\nOnUnitActiveSec={every}\n"
    with suppress(OSError):
        if host.read(DROP_IN) == text:
            return
    with suppress(OSError, NvkeepError):
        host.write(DROP_IN, text)
        host.run(("systemctl", "daemon-reload"), 30.0)
        host.run(("systemctl", "try-restart", "--no-block", TIMER), 10.0)
