"""What is on record for the whole host: that it goes down, what cannot be recorded, all flags, keepalived's last answer."""

import json
from contextlib import suppress

from nvkeep.host import Host, load
from nvkeep.model.finding import Finding
from nvkeep.model.role import Roles
from nvkeep.state.files import LEAVING, RUN, VAR, written
from nvkeep.state.service import Store

LAST_RIGHT = f"{RUN}/cluster.yaml"
FAILBACK = f"{RUN}/failback"


def leaving(host: Host) -> bool:
    """Return whether the system is on its way down; the mark lasts until nvkeep-shutdown.service is started again."""
    return host.exists(LEAVING)


def keep_right(host: Host, path: str) -> None:
    """Keep a copy of a configuration that was found right, for a host that goes down while the file is wrong."""
    with suppress(OSError):
        written(host, LAST_RIGHT, host.read(path))


def mark_failback(host: Host, *, wanted: bool) -> None:
    """Let nvkeep-failback.service run, or not: systemd looks for this file before it starts a program once a minute."""
    with suppress(OSError):
        if wanted:
            written(host, FAILBACK, "")
        else:
            host.remove(FAILBACK)


def unwritable(host: Host) -> Finding | None:
    """Say why what must outlive a process cannot be recorded here; None when it can."""
    for directory in (RUN, VAR):
        if why := host.unwritable(directory):
            look = f"df -h {directory}; df -i {directory}" if why == "full" else f"findmnt -T {directory}"
            return Finding("STATE", f"nothing can be recorded in {directory} ({why})", look)
    return None


def lower_all_flags(host: Host) -> None:
    """Write 0 to every flag: this host must not get a role, whatever the services are called."""
    lower_flags(host, keep=())


def lower_flags(host: Host, *, keep: tuple[str, ...]) -> None:
    """Write 0 to every flag but those of some services."""
    for service in host.names(f"{RUN}/eligible"):
        if not service.startswith(".") and service not in keep:
            Store(host, service).save_flag(up=False)


def last_roles(host: Host) -> Roles:
    """Read keepalived's last answer, for those who may not ask it."""
    try:
        record = load(host.read(f"{RUN}/roles"))
        return Roles(tuple((str(name), str(word)) for name, word in record["words"]), str(record["ident"]), str(record["why"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Roles(why=f"nothing is on record: {error}")


def save_roles(host: Host, roles: Roles) -> None:
    """Record keepalived's answer."""
    text = json.dumps(roles._asdict())
    with suppress(OSError):
        if host.read(f"{RUN}/roles") == text:
            return
    written(host, f"{RUN}/roles", text)
