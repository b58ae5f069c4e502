"""What all writing clients have in common: how often they ask, how long they wait, and the numbers of their rows.

It imports nothing of the lab but the clock: `lab.guest` puts both into a client's own tree.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL_S = 0.02
REACHABLE_S = 0.15


def reachable(address: str, port: int) -> bool:
    """Tell quickly whether anyone listens there: a driver would wait a second for the kernel to ask again."""
    try:
        with socket.create_connection((address, port), REACHABLE_S):
            return True
    except OSError:
        return False


def numbers() -> Iterator[int]:
    """Count from a number no earlier client has reached: a number is never used twice."""
    number = int(boottime() * 1e6)
    while True:
        number += 1
        yield number
