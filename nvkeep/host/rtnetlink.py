"""What `ip -j addr show` prints of the addresses here, asked of the kernel itself (rtnetlink(7)): a pass looks at them often.

A program for it takes ten times as long. Only what nvkeep reads is printed. pyroute2 takes 100 ms to load.
"""

import errno
import json
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from nvkeep.host.base import Completed

COMMAND = ("ip", "-j", "addr", "show")
ANSWER_TIMEOUT_S = 1.0  # the kernel answers within a millisecond
CHUNK_BYTES = 65536
DUMP, INTERRUPTED, ERROR, DONE = 0x301, 0x10, 2, 3  # linux/netlink.h
NEW_ADDRESS, GET_ADDRESS = 20, 22  # linux/rtnetlink.h
ADDRESS, LOCAL, LABEL, FLAGS = 1, 2, 3, 8  # attributes, linux/if_addr.h
SECONDARY, DAD_FAILED, TENTATIVE = 0x01, 0x08, 0x40
HEADER, BODY, PIECE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
ALIGNED = 4  # bytes


def show(argv: Sequence[str]) -> Completed | None:
    """Print the addresses of every interface; None where the kernel does not tell all of them at once."""
    try:
        return Completed(tuple(argv), 0, _printed(tuple(socket.if_nameindex()), tuple(_dump())), "")
    except (OSError, ValueError, LookupError, struct.error):
        return None


@lru_cache(maxsize=8)  # they seldom change, and every service asks
def _printed(names: Sequence[tuple[int, str]], bodies: Sequence[bytes]) -> str:
    links: dict[int, dict[str, Any]] = {index: {"ifname": name, "addr_info": []} for index, name in names}
    for body in bodies:
        index, entry = _entry(body)
        links[index]["addr_info"].append(entry)
    return json.dumps([*links.values()])


def _dump() -> Iterator[bytes]:
    """Give the body of every message. Raises OSError, also where an address came or went meanwhile."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as line:
        line.settimeout(ANSWER_TIMEOUT_S)
        line.send(HEADER.pack(HEADER.size + BODY.size, GET_ADDRESS, DUMP, 1, 0) + bytes(BODY.size))
        while True:
            for kind, flags, body in _messages(line.recv(CHUNK_BYTES)):
                if kind == ERROR or flags & INTERRUPTED:
                    raise OSError(errno.EINTR, os.strerror(errno.EINTR))
                if kind == DONE:
                    return
                if kind == NEW_ADDRESS:
                    yield body


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    while data:
        length, kind, flags, _, _ = HEADER.unpack_from(data)
        yield kind, flags, _within(data, HEADER.size, length)
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind = PIECE.unpack_from(data)
        yield kind, _within(data, PIECE.size, length)
        data = data[_aligned(length) :]


def _within(data: bytes, start: int, end: int) -> bytes:
    if not start <= end <= len(data):
        raise ValueError(f"{end} bytes of {len(data)}")
    return data[start:end]


def _aligned(length: int) -> int:
    return (length + ALIGNED - 1) // ALIGNED * ALIGNED


def _entry(body: bytes) -> tuple[int, dict[str, Any]]:
    """Give the number of the interface, and the address in the words of ip(8)."""
    family, prefix, few, _, index = BODY.unpack_from(body)
    attributes = dict(_attributes(body[BODY.size :]))
    flags = int.from_bytes(attributes[FLAGS], sys.byteorder) if FLAGS in attributes else few
    entry: dict[str, Any] = {"local": str(ip_address(attributes.get(LOCAL) or attributes[ADDRESS])), "prefixlen": prefix}
    if LABEL in attributes:
        entry["label"] = os.fsdecode(attributes[LABEL].rstrip(b"\0"))
    words = {"secondary": family == socket.AF_INET and flags & SECONDARY}
    words |= {"tentative": flags & TENTATIVE, "dadfailed": flags & DAD_FAILED}
    return index, entry | {word: True for word, set_ in words.items() if set_}
