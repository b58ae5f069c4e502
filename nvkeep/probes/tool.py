"""The programs that a way to hold a volume needs: whether they are there, and their version as they print it."""

import re
from typing import NamedTuple

from nvkeep.errors import CommandTimeout
from nvkeep.host import Host, lines
from nvkeep.host.base import NO_SUCH_PROGRAM
from nvkeep.host.process import ENVIRONMENT
from nvkeep.model.finding import Lack

VERSION = r"\d+\.\d+"
PATHS = ENVIRONMENT["PATH"].split(":")


class Tool(NamedTuple):
    """A program a backend needs: the command that prints its version, and where it comes from."""

    version: tuple[str, ...]
    origin: str

    def there(self, host: Host) -> bool:
        """Return whether the host has the program."""
        return any(host.exists(f"{directory}/{self.version[0]}") for directory in PATHS)

    def printed(self, host: Host) -> str:
        """Return the line in which it prints its version; some print none."""
        try:
            done = host.run(self.version, 10.0)
        except CommandTimeout as error:
            return str(error)
        if done.code == NO_SUCH_PROGRAM:
            return "missing"
        printed = [line.strip() for line in (*lines(done.out), *lines(done.err))]
        dotted = (line for line in printed if "version" in self.version[-1] and re.search(VERSION, line))
        return next((line for line in printed if "version" in line.lower()), next(dotted, "there"))


def without_device(host: Host, device: str) -> Lack | None:
    """Say so where a block device is not there."""
    here = host.device_number(device) is not None
    return None if here else Lack(f"there is no block device {device} here", "lsblk; ls -l /dev/disk/by-id")
