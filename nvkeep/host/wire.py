"""Neighbours on the wire: asking who has an address, and telling that we have it. Raw sockets, no external tool.

Frames as in RFC 826 (ARP), RFC 5227 (probe), RFC 4861 (neighbour discovery). arping(8) blocks a second a packet.
"""

import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

ETH_ARP = 0x0806
ARP_REQUEST, ARP_REPLY = 1, 2
NS, NA = 135, 136
OVERRIDE = 0x20000000
IPV6_HOPS = 255
SHORTEST_ADDRESS = 8  # bytes of an address in a sockaddr_ll, at least
IPV4 = 4


def answers(interface: str, address: str, timeout: float) -> bool:
    """Tell whether another host answers for the address within timeout seconds. Raises OSError."""
    version = ip_address(address).version
    return _arp_answers(interface, address, timeout) if version == IPV4 else _nd_answers(interface, address, timeout)


def announce(interface: str, address: str) -> None:
    """Send a gratuitous ARP request and reply, or an unsolicited neighbour advertisement. Raises OSError."""
    if ip_address(address).version == IPV4:
        _announce_arp(interface, address)
    else:
        _announce_nd(interface, address)


def hardware(interface: str) -> tuple[int, bytes]:
    """Give the hardware type (1 Ethernet, 32 InfiniBand) and address of an interface. Raises OSError."""
    kind = int(_sysfs(interface, "type"))
    return kind, bytes.fromhex(_sysfs(interface, "address").replace(":", ""))


def _sysfs(interface: str, name: str) -> str:
    with open(f"/sys/class/net/{interface}/{name}", encoding="ascii") as stream:  # noqa: PTH123 - one line, read once
        return stream.read().strip()


def _arp(kind: int, operation: int, sender: tuple[bytes, bytes], target: tuple[bytes, bytes]) -> bytes:
    head = struct.pack("!HHBBH", kind, 0x0800, len(sender[0]), 4, operation)
    return head + sender[0] + sender[1] + target[0] + target[1]


def _open_arp(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_ARP))
    opened.bind((interface, ETH_ARP))
    return opened


def _to_everyone(opened: socket.socket, interface: str, kind: int, frame: bytes) -> None:
    """Send to the broadcast address. By a sockaddr_ll of our own: Python's refuses the 20-byte addresses of InfiniBand."""
    address = bytes.fromhex(_sysfs(interface, "broadcast").replace(":", ""))
    index = socket.if_nametoindex(interface)
    head = struct.pack("@HHiHBB", socket.AF_PACKET, socket.htons(ETH_ARP), index, kind, 0, len(address))
    where = head + address.ljust(SHORTEST_ADDRESS, b"\0")
    if ctypes.CDLL(None, use_errno=True).sendto(opened.fileno(), frame, len(frame), 0, where, len(where)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{interface}: {os.strerror(number)}")


def _announce_arp(interface: str, address: str) -> None:
    kind, mac = hardware(interface)
    ip = ip_address(address).packed
    with _open_arp(interface) as opened:
        for operation, target in ((ARP_REQUEST, bytes(len(mac))), (ARP_REPLY, mac)):
            _to_everyone(opened, interface, kind, _arp(kind, operation, (mac, ip), (target, ip)))


def _arp_answers(interface: str, address: str, timeout: float) -> bool:
    kind, mac = hardware(interface)
    ip = ip_address(address).packed
    with _open_arp(interface) as opened:
        _to_everyone(opened, interface, kind, _arp(kind, ARP_REQUEST, (mac, bytes(4)), (bytes(len(mac)), ip)))
        return _heard(opened, timeout, lambda frame: _is_answer(frame, ip, mac))


def _is_answer(frame: bytes, ip: bytes, own: bytes) -> bool:
    length = len(own)
    sender, sender_ip = frame[8 : 8 + length], frame[8 + length : 12 + length]
    return sender_ip == ip and sender != own


def _heard(opened: socket.socket, timeout: float, wanted: Callable[[bytes], bool]) -> bool:
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if select.select([opened], [], [], left)[0] and wanted(opened.recv(2048)):
            return True
    return False


def _icmp6(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    index = socket.if_nametoindex(interface)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, IPV6_HOPS)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    return opened


def _link_layer(code: int, mac: bytes) -> bytes:
    blocks = (2 + len(mac) + 7) // 8
    return (bytes([code, blocks]) + mac).ljust(blocks * 8, b"\0")


def _announce_nd(interface: str, address: str) -> None:
    _, mac = hardware(interface)
    packet = struct.pack("!BBHI", NA, 0, 0, OVERRIDE) + ip_address(address).packed + _link_layer(2, mac)
    with _icmp6(interface) as opened:
        opened.sendto(packet, ("ff02::1", 0, 0, socket.if_nametoindex(interface)))


def _nd_answers(interface: str, address: str, timeout: float) -> bool:
    _, mac = hardware(interface)
    packed = ip_address(address).packed
    group = str(IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + packed[13:]))
    packet = struct.pack("!BBHI", NS, 0, 0, 0) + packed + _link_layer(1, mac)
    with _icmp6(interface) as opened:
        opened.sendto(packet, (group, 0, 0, socket.if_nametoindex(interface)))
        return _heard(opened, timeout, lambda frame: frame[0] == NA and frame[8:24] == packed)
