"""A poor network: `python -m lab.relay NEAR FAR LOSS JITTER`, in the lab's network, carries frames late, and not all of them.

Whatever comes in at one interface goes out at the other, either way, after a time of its own between nothing and twice JITTER
seconds; a share LOSS of it never does. So frames overtake each other, as they do on a poor network. The kernel's own means for
this (netem) is a module that not every machine has.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import random
import select
import socket
import struct
import sys
import time
from itertools import count

# linux/if_packet.h: what a frame was not summed or cut for yet goes along with it (VNET_HDR), to where that is done.
SOL_PACKET, ADD_MEMBERSHIP, VNET_HDR, IGNORE_OUTGOING, PROMISCUOUS = 263, 1, 15, 23, 1
EVERY_PROTOCOL = 0x0003
LONGEST = 1 << 17
URGENT = 10  # of SCHED_FIFO: a busy machine must not make the network worse than it was ordered


def main(near: str, far: str, loss: float, jitter: float) -> None:
    """Carry frames until the process is ended."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(URGENT))
    ends = [opened(near), opened(far)]
    order, late = count(), list[tuple[float, int, socket.socket, bytes]]()
    while True:
        wait = max(0.0, late[0][0] - time.monotonic()) if late else None
        for end in select.select(ends, (), (), wait)[0]:
            frame, other = end.recv(LONGEST), ends[end is ends[0]]
            if random.random() >= loss:  # noqa: S311 - no secret
                due = time.monotonic() + random.uniform(0, 2 * jitter)  # noqa: S311
                heapq.heappush(late, (due, next(order), other, frame))
        while late and late[0][0] <= time.monotonic():
            _, _, other, frame = heapq.heappop(late)
            sent(other, frame)


def opened(interface: str) -> socket.socket:
    """Open one end: every frame that comes in there, and none that this process sends."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    end.setsockopt(SOL_PACKET, VNET_HDR, 1)
    end.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    end.bind((interface, EVERY_PROTOCOL))
    index = socket.if_nametoindex(interface)
    end.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack("iHH8x", index, PROMISCUOUS, 0))  # struct packet_mreq
    return end


def sent(end: socket.socket, frame: bytes) -> None:
    """Send a frame; an interface that is down, or whose queue is full, loses it as a real one does."""
    with contextlib.suppress(OSError):
        end.send(frame)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
