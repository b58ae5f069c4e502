"""Frames, byte by byte; sending them needs root and is tested on the lab."""

import socket
from ipaddress import IPv4Address, ip_address

from nvkeep.host.wire import ARP_REPLY, ARP_REQUEST, Listener, _arp, _is_answer, _link_layer, hardware, listen

MAC, OTHER = bytes.fromhex("525400123456"), bytes.fromhex("5254006789ab")
IP, ELSE = ip_address("192.168.0.1").packed, ip_address("192.168.0.2").packed
INFINIBAND = bytes(range(20))


def test_a_gratuitous_request_as_in_rfc_826() -> None:
    frame = _arp(1, ARP_REQUEST, (MAC, IP), (bytes(6), IP))
    assert frame == bytes.fromhex("0001 0800 06 04 0001 525400123456 c0a80001 000000000000 c0a80001")


def test_a_frame_for_infiniband_has_its_longer_addresses() -> None:
    frame = _arp(32, ARP_REPLY, (INFINIBAND, IP), (INFINIBAND, IP))
    assert frame == bytes.fromhex("0020 0800 14 04 0002") + INFINIBAND + IP + INFINIBAND + IP


def test_a_probe_names_no_sender_address_as_in_rfc_5227() -> None:
    frame = _arp(1, ARP_REQUEST, (MAC, bytes(4)), (bytes(6), IP))
    assert frame[14:18] == bytes(4)
    assert not _is_answer(frame, IP, MAC)


def test_only_another_host_with_this_address_answers() -> None:
    def frame(mac: bytes, ip: bytes, operation: int = ARP_REPLY) -> bytes:
        return _arp(1, operation, (mac, ip), (MAC, IP))

    assert _is_answer(frame(OTHER, IP), IP, MAC)
    assert _is_answer(frame(OTHER, IP, ARP_REQUEST), IP, MAC)
    assert not _is_answer(frame(MAC, IP), IP, MAC)
    assert not _is_answer(frame(OTHER, ELSE), IP, MAC)
    assert not _is_answer(b"", IP, MAC)
    assert not _is_answer(frame(OTHER, IP)[:16], IP, MAC)


def test_an_answer_on_infiniband() -> None:
    other = bytes(reversed(INFINIBAND))
    assert _is_answer(_arp(32, ARP_REPLY, (other, IP), (INFINIBAND, IP)), IP, INFINIBAND)
    assert not _is_answer(_arp(32, ARP_REPLY, (INFINIBAND, IP), (other, IP)), IP, INFINIBAND)


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
    listener.ip, listener.mac, listener.socket = IPv4Address(IP), MAC, here
    for _ in range(12):  # a burst of announcements
        there.send(_arp(1, ARP_REPLY, (OTHER, IP), (MAC, IP)))
    assert listen((listener,), 0.01)
    assert not listen((listener,), 0.01)
    here.close()
    there.close()
