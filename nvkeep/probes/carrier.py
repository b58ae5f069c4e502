"""Whether an interface has a carrier: /sys/class/net/IFC/carrier."""

import errno

from nvkeep.host import Host


def up(host: Host, interface: str) -> bool:
    """Return whether the interface is up and has a link; a missing interface has none."""
    try:
        return host.read(f"/sys/class/net/{interface}/carrier").strip() == "1"
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):  # EINVAL: administratively down
            return False
        raise
