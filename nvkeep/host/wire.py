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
from collections.abc import Iterable, Sequence
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
IPV4 = 4  # its version, and its bytes
FRAME_BYTES, CONTROL_BYTES = 2048, 128  # that are read of a frame, and of what the kernel says about it
Control = list[tuple[int, int, bytes]]


def answers(interface: str, address: str, timeout: float) -> bool:
    """Return whether another host answers for the address within timeout seconds. Raises OSError."""
    with Listener(interface, address) as listener:
        listener.ask(address)
        return bool(listen((listener,), timeout))


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


def _everyone(interface: str, kind: int) -> bytes:
    """Make a sockaddr_ll of the broadcast address: Python's own refuses the 20 bytes of InfiniBand. Raises OSError."""
    address = bytes.fromhex(_sysfs(interface, "broadcast").replace(":", ""))
    index = socket.if_nametoindex(interface)
    head = struct.pack("@HHiHBB", socket.AF_PACKET, socket.htons(ETH_ARP), index, kind, 0, len(address))
    return head + address.ljust(SHORTEST_ADDRESS, b"\0")


def _send(opened: socket.socket, where: bytes, frame: bytes) -> None:
    if _libc().sendto(opened.fileno(), frame, len(frame), 0, where, len(where)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _announce_arp(interface: str, address: str) -> None:
    kind, mac = hardware(interface)
    ip = ip_address(address).packed
    where = _everyone(interface, kind)
    for operation, target in ((ARP_REQUEST, bytes(len(mac))), (ARP_REPLY, mac)):
        _send(_unbound(), where, _arp(kind, operation, (mac, ip), (target, ip)))


def _claim(frame: bytes, own: bytes) -> tuple[bytes, str] | None:
    """Give the address that another host says in a frame it has, and that host; None where it says nothing of the kind."""
    length = len(own)
    sender, sender_ip = frame[8 : 8 + length], frame[8 + length : 12 + length]
    return (sender_ip, sender.hex()) if sender != own else None


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
    """Asks again and again who has addresses of one version, by one socket: closing a packet socket takes the kernel 30 ms."""

    def __init__(self, interface: str, *addresses: str) -> None:
        self.interface, self.addresses = interface, {ip_address(address).packed: address for address in addresses}
        self.kind, self.mac = hardware(interface)
        self.four = all(len(packed) == IPV4 for packed in self.addresses)
        self.everyone, self.index = _everyone(interface, self.kind), socket.if_nametoindex(interface)
        self.socket = _open_arp(interface) if self.four else _icmp6(interface)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it in a thread of its own: a packet socket takes the kernel 30 ms."""
        threading.Thread(target=self.socket.close).start()

    def ask(self, address: str) -> None:
        """Ask once. Raises OSError when nothing can be sent."""
        packed = ip_address(address).packed
        if self.four:
            frame = _arp(self.kind, ARP_REQUEST, (self.mac, bytes(4)), (bytes(len(self.mac)), packed))
            return _send(self.socket, self.everyone, frame)
        group = str(IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + packed[13:]))
        packet = struct.pack("!BBHI", NS, 0, 0, 0) + packed + _link_layer(1, self.mac)
        self.socket.sendto(packet, (group, 0, 0, self.index))
        return None

    def answered(self) -> dict[str, str]:
        """Read all frames that are there; give the addresses that other hosts say they have, and who. Raises OSError.

        All, because what is left in the queue would be taken for an answer to a later question.
        """
        heard: dict[str, str] = {}
        with suppress(BlockingIOError):
            for _ in range(MOST_FRAMES):
                frame, control, _, sender = self.socket.recvmsg(FRAME_BYTES, CONTROL_BYTES, socket.MSG_DONTWAIT)
                claim = _claim(frame, self.mac) if self.four else _advertised(frame, control, sender)
                if claim and claim[0] in self.addresses:
                    heard[self.addresses[claim[0]]] = claim[1]
        return heard


def _advertised(frame: bytes, control: Control, sender: tuple[object, ...]) -> tuple[bytes, str] | None:
    return (frame[8:24], str(sender[0])) if is_advertisement(frame, control) else None


def is_advertisement(frame: bytes, control: Control) -> bool:
    """Return whether it is a neighbour advertisement, and of a neighbour: no router has passed it on."""
    hops = [
        struct.unpack("@i", data)[0] for level, kind, data in control if (level, kind) == (socket.IPPROTO_IPV6, IPV6_HOPLIMIT)
    ]
    return hops == [IPV6_HOPS] and len(frame) >= NA_BYTES and (frame[0], frame[1]) == (NA, 0)


def listen(listeners: Sequence[Listener], timeout: float) -> dict[str, str]:
    """Listen until another host says that it has one of the addresses, or the time is over. Raises OSError."""
    by_socket = {listener.socket: listener for listener in listeners}
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        ready = select.select(list(by_socket), [], [], left)[0]
        if heard := _all_answered(by_socket[socket] for socket in ready):
            return heard
    return _all_answered(listeners)  # whoever lost the processor until now has read nothing yet


def _all_answered(listeners: Iterable[Listener]) -> dict[str, str]:
    return {address: host for listener in listeners for address, host in listener.answered().items()}
