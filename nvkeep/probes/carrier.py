"""Whether an interface has a carrier: /sys/class/net/IFC/carrier."""

import errno

from nvkeep.host import Host
from nvkeep.model.finding import Lack


def up(host: Host, interface: str) -> bool:
    """Return whether the interface is up and has a link; a missing interface has none."""
    try:
        return host.read(f"/sys/class/net/{interface}/carrier").strip() == "1"
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):  # EINVAL: administratively down
            return False
        raise


def usable(host: Host, name: str) -> Lack | str:
    """Say what is wrong with an interface, or that nothing is."""
    if up(host, name):
        return "up, with a carrier"
    if not host.exists(f"/sys/class/net/{name}"):
        return Lack(f"there is no interface {name} here", "ip -br link")
    return Lack(f"{name} is down, or has no carrier", f"ip link set dev {name} up")
