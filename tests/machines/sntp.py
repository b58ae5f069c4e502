"""A time server for the machines, in their network: the time of the machine that emulates them (RFC 5905, figure 8)."""

from __future__ import annotations

import socket
import struct
import time

PORT, EPOCH = 123, 2208988800  # seconds from 1900 to 1970
SERVER, PRECISION = 0x24, -20  # no warning, version 4, mode 4; a power of two of a second
HEAD = struct.pack("!BBbbII4s", SERVER, 1, 6, PRECISION, 0, 0, b"LOCL")


def stamp() -> bytes:
    """Give the time as NTP writes it: 32 bits of seconds, 32 bits of their fraction."""
    return struct.pack("!Q", int((time.time() + EPOCH) * (1 << 32)))


def main() -> None:
    """Answer for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", PORT))
        while True:
            asked, client = server.recvfrom(512)
            now = stamp()
            server.sendto(HEAD + now + asked[40:48] + now + stamp(), client)


if __name__ == "__main__":
    main()
