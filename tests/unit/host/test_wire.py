"""Frames, byte by byte; sending them needs root and is tested on the lab."""

import socket
import struct
from ipaddress import ip_address

import pytest

from nvkeep.host.wire import (
    ARP_REPLY,
    ARP_REQUEST,
    MOST_FRAMES,
    ONLY_NA,
    Listener,
    _arp,
    _claim,
    _link_layer,
    hardware,
    is_advertisement,
    listen,
)

MAC, OTHER = bytes.fromhex("525400123456"), bytes.fromhex("5254006789ab")
NAME = "192.168.0.1"
IP, ELSE = ip_address(NAME).packed, ip_address("192.168.0.2").packed
INFINIBAND = bytes(range(20))


def claims(frame: bytes, ip: bytes, own: bytes) -> bool:
    """Return whether another host says in a frame that it has the address."""
    claim = _claim(frame, own)
    return claim is not None and claim[0] == ip


def test_a_gratuitous_request_as_in_rfc_826() -> None:
    frame = _arp(1, ARP_REQUEST, (MAC, IP), (bytes(6), IP))
    assert frame == bytes.fromhex("0001 0800 06 04 0001 525400123456 c0a80001 000000000000 c0a80001")


def test_a_frame_for_infiniband_has_its_longer_addresses() -> None:
    frame = _arp(32, ARP_REPLY, (INFINIBAND, IP), (INFINIBAND, IP))
    assert frame == bytes.fromhex("0020 0800 14 04 0002") + INFINIBAND + IP + INFINIBAND + IP


def test_a_probe_names_no_sender_address_as_in_rfc_5227() -> None:
    frame = _arp(1, ARP_REQUEST, (MAC, bytes(4)), (bytes(6), IP))
    assert frame[14:18] == bytes(4)
    assert not claims(frame, IP, MAC)


def test_only_another_host_with_this_address_answers() -> None:
    def frame(mac: bytes, ip: bytes, operation: int = ARP_REPLY) -> bytes:
        return _arp(1, operation, (mac, ip), (MAC, IP))

    assert claims(frame(OTHER, IP), IP, MAC)
    assert claims(frame(OTHER, IP, ARP_REQUEST), IP, MAC)
    assert not claims(frame(MAC, IP), IP, MAC)
    assert not claims(frame(OTHER, ELSE), IP, MAC)
    assert not claims(b"", IP, MAC)
    assert not claims(frame(OTHER, IP)[:16], IP, MAC)


def test_an_answer_on_infiniband() -> None:
    other = bytes(reversed(INFINIBAND))
    assert claims(_arp(32, ARP_REPLY, (other, IP), (INFINIBAND, IP)), IP, INFINIBAND)
    assert not claims(_arp(32, ARP_REPLY, (INFINIBAND, IP), (other, IP)), IP, INFINIBAND)


def test_a_link_layer_option_counts_in_blocks_of_eight_as_in_rfc_4861() -> None:
    assert _link_layer(2, MAC) == bytes([2, 1]) + MAC
    long = _link_layer(1, INFINIBAND)
    assert (long[0], long[1], len(long)) == (1, 3, 24)
    assert long[2:22] == INFINIBAND
    assert long[22:] == bytes(2)


def test_the_hardware_of_the_loopback() -> None:
    assert hardware("lo") == (772, bytes(6))


def test_what_was_answered_before_is_no_answer_to_a_later_question() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener = Listener.__new__(Listener)
    listener.addresses, listener.four, listener.mac, listener.socket = {IP: NAME}, True, MAC, here
    for _ in range(12):  # a burst of announcements
        there.send(_arp(1, ARP_REPLY, (OTHER, IP), (MAC, IP)))
    assert listen((listener,), 0.01) == {NAME: OTHER.hex()}
    assert not listen((listener,), 0.01)
    here.close()
    there.close()


NEIGHBOUR = bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + bytes(16)
HOPS = (socket.IPPROTO_IPV6, 52)


def hops(number: int) -> list[tuple[int, int, bytes]]:
    return [(*HOPS, struct.pack("@i", number))]


def test_an_advertisement_that_a_router_has_passed_on_is_none() -> None:
    """RFC 4861, 7.1.2: with a hop limit of 255 nobody can have passed it on."""
    assert is_advertisement(NEIGHBOUR, hops(255))
    for number in (254, 57, 0):
        assert not is_advertisement(NEIGHBOUR, hops(number))
    assert not is_advertisement(NEIGHBOUR, [])


@pytest.mark.parametrize("frame", [b"", NEIGHBOUR[:23], bytes([135]) + NEIGHBOUR[1:], NEIGHBOUR[:1] + b"\1" + NEIGHBOUR[2:]])
def test_what_is_no_advertisement_is_none(frame: bytes) -> None:
    assert not is_advertisement(frame, hops(255))


def test_the_filter_lets_advertisements_through_alone() -> None:
    words = struct.unpack("@8I", ONLY_NA)
    let = [kind for kind in range(256) if not words[kind >> 5] & (1 << (kind & 31))]
    assert let == [136]


def test_whoever_lost_the_processor_still_hears_what_waits() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        listener = Listener.__new__(Listener)
        listener.addresses, listener.four, listener.mac, listener.socket = {IP: NAME}, True, MAC, here
        there.send(_arp(1, ARP_REPLY, (OTHER, IP), (MAC, IP)))
        assert listen((listener,), 0.0)


class Flooded:
    """A socket on which more comes than anybody can read."""

    def __init__(self) -> None:
        self.frames = 0

    def recvmsg(self, *_: int) -> tuple[bytes, list[object], int, None]:
        self.frames += 1
        return _arp(1, ARP_REPLY, (OTHER, ELSE), (MAC, IP)), [], 0, None


def test_a_flood_is_read_to_an_end() -> None:
    listener = Listener.__new__(Listener)
    flooded = Flooded()
    listener.addresses, listener.four, listener.mac = {IP: NAME}, True, MAC
    listener.socket = flooded  # type: ignore[assignment]  # as much as is asked
    assert not listener.answered()
    assert flooded.frames == MOST_FRAMES
