"""Which keepalived this is, and whether nvkeep can live with it."""

import re
from typing import NamedTuple, Self

from nvkeep.errors import NvkeepError, Unsuited
from nvkeep.host import Host
from nvkeep.host.base import NO_SUCH_PROGRAM

COMMAND = ("keepalived", "--version")
SAY = "name its version: nvkeep keepalived --for-version 2.2.7"


class Version(NamedTuple):
    """Major, minor and patch."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 2.2.7. Raises Unsuited."""
        match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", text.strip())
        if not match:
            raise Unsuited(f"{text!r} is no version of keepalived; write three numbers, as in 2.2.7")
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return ".".join(map(str, self))


OLDEST = Version(1, 3, 6)
CHECKSUMS = (Version(2, 0, 0), Version(2, 0, 5))  # of VRRPv3 by unicast: wrong from, right again from
MANY = Version(1, 3, 7)  # before, every second peer was sent adverts without a checksum
TESTABLE = Version(2, 0, 5)  # knows -t (2.0.4 does too, and is refused)


def here(host: Host) -> Version:
    """Ask the keepalived of this host. Raises Unsuited."""
    try:
        done = host.run(COMMAND, 5.0)
    except NvkeepError as error:
        raise Unsuited(f"{error}; {SAY}") from error
    if done.code == NO_SUCH_PROGRAM:
        raise Unsuited(f"keepalived is not installed here; install it, or {SAY}")
    return printed(done.err + done.out)


def printed(text: str) -> Version:
    """Read what `keepalived --version` prints, on stderr. Raises Unsuited."""
    match = re.search(r"^Keepalived v(\d+\.\d+\.\d+)", text, re.MULTILINE)
    if not match:
        raise Unsuited(f"`{' '.join(COMMAND)}` gives no version; {SAY}")
    return Version.parse(match[1])


def refuse(version: Version, most_hosts: int) -> None:
    """Raise Unsuited for a version that nvkeep cannot live with."""
    newer = "install a newer one"
    if version < OLDEST:
        raise Unsuited(f"keepalived {version} is older than {OLDEST}, the first that reports changes through a FIFO; {newer}")
    if CHECKSUMS[0] <= version < CHECKSUMS[1]:
        raise Unsuited(f"keepalived {version} sends VRRPv3 adverts by unicast with wrong checksums; {newer} ({CHECKSUMS[1]})")
    if version < MANY and most_hosts > 2:  # noqa: PLR2004 - two hosts: one peer
        raise Unsuited(f"keepalived {version} sends every second peer adverts without a checksum; {newer}, or use two hosts")
