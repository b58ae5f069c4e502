"""Asking a host whether it is there: ICMP echo (RFC 792, RFC 4443). A few lines of our own: icmplib loads asyncio.

Raw sockets, because ping sockets (SOCK_DGRAM) are closed even to root by the kernel's default ping_group_range.
"""

import os
import socket
import struct
import time
from ipaddress import ip_address

ECHO_4, REPLY_4 = 8, 0
ECHO_6, REPLY_6 = 128, 129
IPV4 = 4
WORDS = 0xFFFF
PACKET_BYTES = 2048


def pings(address: str, timeout: float) -> bool:
    """Return whether an address answers a ping within timeout seconds. Raises OSError when none can be sent."""
    version = ip_address(address).version
    family, protocol = (socket.AF_INET, socket.IPPROTO_ICMP) if version == IPV4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    mark = os.urandom(4)
    with socket.socket(family, socket.SOCK_RAW, protocol) as opened:
        opened.sendto(_request(ECHO_4 if version == IPV4 else ECHO_6, mark), (address, 0))
        return _answered(opened, address, mark, time.monotonic() + timeout)


def _answered(opened: socket.socket, address: str, mark: bytes, deadline: float) -> bool:
    while (left := deadline - time.monotonic()) > 0:
        opened.settimeout(left)
        try:
            packet, sender = opened.recvfrom(PACKET_BYTES)
        except TimeoutError:
            return False
        if sender[0] == address and _reply(packet, opened.family) == mark:
            return True
    return False


def _request(kind: int, mark: bytes) -> bytes:
    """Build an echo request; the kernel adds the checksum of IPv6 itself."""
    return struct.pack("!BBH", kind, 0, checksum(struct.pack("!BBH", kind, 0, 0) + mark)) + mark


def _reply(packet: bytes, family: int) -> bytes:
    """Give the identifier and sequence of an echo reply; with IPv4 the header comes along."""
    start = (packet[0] & 0x0F) * 4 if family == socket.AF_INET else 0
    wanted = REPLY_4 if family == socket.AF_INET else REPLY_6
    return packet[start + 4 : start + 8] if packet[start] == wanted else b""


def checksum(data: bytes) -> int:
    """Sum as RFC 1071 says."""
    total = sum(int.from_bytes(data[index : index + 2]) for index in range(0, len(data), 2))
    while total > WORDS:
        total = (total & WORDS) + (total >> 16)
    return ~total & WORDS
