"""Neighbours on the wire: asking who has an address, and telling that we have it. Raw sockets, no external tool.

Frames as in RFC 826 (ARP), RFC 5227 (probe), RFC 4861 (neighbour discovery). arping(8) blocks a second a packet.
"""

import ctypes
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from ipaddress import IPv6Address, ip_address
from typing import Self

ETH_ARP = 0x0806
ARP_REQUEST, ARP_REPLY = 1, 2
NS, NA = 135, 136
OVERRIDE = 0x20000000
IPV6_HOPS = 255  # nobody has passed it on: a router lowers it (RFC 4861, 7.1.2)
ICMP6_FILTER, IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 1, 51, 52  # linux/icmpv6.h, linux/in6.h
ONLY_NA = struct.pack("@8I", *(0xFFFFFFFF if word != NA >> 5 else 0xFFFFFFFF ^ (1 << (NA & 31)) for word in range(8)))
NA_BYTES = 24
MOST_FRAMES = 1000  # that are read at once: whoever sends faster than they are read keeps nobody here
SHORTEST_ADDRESS = 8  # bytes of an address in a sockaddr_ll, at least
IPV4 = 4
FRAME_BYTES, CONTROL_BYTES = 2048, 128  # that are read of a frame, and of what the kernel says about it
Control = list[tuple[int, int, bytes]]


def answers(interface: str, address: str, timeout: float) -> bool:
    """Return whether another host answers for the address within timeout seconds. Raises OSError."""
    with Listener(interface, address) as listener:
        listener.ask()
        return listener.heard(timeout)


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
    """Open a packet socket that hears nothing until it is bound: one that does, the kernel binds anew, which takes 30 ms."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    opened.bind((interface, ETH_ARP))
    return opened


@cache
def _unbound() -> socket.socket:
    """Open the packet socket that all announcements are sent by, and keep it: closing one takes the kernel 30 ms."""
    return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)


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
    for operation, target in ((ARP_REQUEST, bytes(len(mac))), (ARP_REPLY, mac)):
        _to_everyone(_unbound(), interface, kind, _arp(kind, operation, (mac, ip), (target, ip)))


def _is_answer(frame: bytes, ip: bytes, own: bytes) -> bool:
    length = len(own)
    sender, sender_ip = frame[8 : 8 + length], frame[8 + length : 12 + length]
    return sender_ip == ip and sender != own


def _icmp6(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    index = socket.if_nametoindex(interface)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, IPV6_HOPS)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    opened.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
    opened.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, ONLY_NA)
    return opened


def _link_layer(code: int, mac: bytes) -> bytes:
    blocks = (2 + len(mac) + 7) // 8
    return (bytes([code, blocks]) + mac).ljust(blocks * 8, b"\0")


def _announce_nd(interface: str, address: str) -> None:
    _, mac = hardware(interface)
    packet = struct.pack("!BBHI", NA, 0, 0, OVERRIDE) + ip_address(address).packed + _link_layer(2, mac)
    with _icmp6(interface) as opened:
        opened.sendto(packet, ("ff02::1", 0, 0, socket.if_nametoindex(interface)))


class Listener:
    """Asks again and again who has an address, by one socket: closing a packet socket takes the kernel 30 ms."""

    def __init__(self, interface: str, address: str) -> None:
        self.interface, self.ip = interface, ip_address(address)
        self.kind, self.mac = hardware(interface)
        self.socket = _open_arp(interface) if self.ip.version == IPV4 else _icmp6(interface)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it in a thread of its own: a packet socket takes the kernel 30 ms."""
        threading.Thread(target=self.socket.close).start()

    def ask(self) -> None:
        """Ask once. Raises OSError when nothing can be sent."""
        if self.ip.version == IPV4:
            frame = _arp(self.kind, ARP_REQUEST, (self.mac, bytes(4)), (bytes(len(self.mac)), self.ip.packed))
            _to_everyone(self.socket, self.interface, self.kind, frame)
            return
        group = str(IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + self.ip.packed[13:]))
        packet = struct.pack("!BBHI", NS, 0, 0, 0) + self.ip.packed + _link_layer(1, self.mac)
        self.socket.sendto(packet, (group, 0, 0, socket.if_nametoindex(self.interface)))

    def heard(self, timeout: float) -> bool:
        """Listen until another host says that it has the address, or the time is over. Raises OSError."""
        return listen((self,), timeout)

    def answered(self) -> bool:
        """Read all frames that are there; return whether another host says in one that it has the address. Raises OSError.

        All, because what is left in the queue would be taken for an answer to a later question.
        """
        heard = False
        with suppress(BlockingIOError):
            for _ in range(MOST_FRAMES):
                heard |= self._is_answer(*self.socket.recvmsg(FRAME_BYTES, CONTROL_BYTES, socket.MSG_DONTWAIT)[:2])
        return heard

    def _is_answer(self, frame: bytes, control: Control) -> bool:
        if self.ip.version == IPV4:
            return _is_answer(frame, self.ip.packed, self.mac)
        return is_advertisement(frame, control) and frame[8:24] == self.ip.packed


def is_advertisement(frame: bytes, control: Control) -> bool:
    """Return whether it is a neighbour advertisement, and of a neighbour: no router has passed it on."""
    hops = [
        struct.unpack("@i", data)[0] for level, kind, data in control if (level, kind) == (socket.IPPROTO_IPV6, IPV6_HOPLIMIT)
    ]
    return hops == [IPV6_HOPS] and len(frame) >= NA_BYTES and (frame[0], frame[1]) == (NA, 0)


def listen(listeners: Sequence[Listener], timeout: float) -> bool:
    """Listen until another host says that it has one of the addresses, or the time is over. Raises OSError."""
    by_socket = {listener.socket: listener for listener in listeners}
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        ready = select.select(list(by_socket), [], [], left)[0]
        if any([by_socket[socket].answered() for socket in ready]):  # noqa: C419 - every socket is read
            return True
    # Whoever lost the processor until now has read nothing yet.
    return any([listener.answered() for listener in listeners])  # noqa: C419 - every socket is read
