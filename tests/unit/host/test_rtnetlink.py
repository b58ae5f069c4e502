"""What the kernel says of addresses; it is compared with ip(8) on the lab (tests/cluster/test_wire.py)."""

import errno
import socket
from collections.abc import Iterator

import pytest

from nvkeep.host import rtnetlink
from nvkeep.probes import address

BODY = rtnetlink.BODY.pack(socket.AF_INET, 24, 0x80, 0, 1)
LOCAL = rtnetlink.PIECE.pack(8, rtnetlink.LOCAL) + bytes([192, 168, 0, 9])
FLAGS = rtnetlink.PIECE.pack(8, rtnetlink.FLAGS)


def shown(monkeypatch: pytest.MonkeyPatch, *bodies: bytes) -> list[address.Entry] | None:
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "ib0")])
    monkeypatch.setattr(rtnetlink, "_dump", lambda: iter(bodies))
    done = rtnetlink.show(rtnetlink.COMMAND)
    return None if done is None else list(address.parse(done.out))


def test_an_address_with_its_label_is_told_in_the_words_of_ip(monkeypatch: pytest.MonkeyPatch) -> None:
    label = rtnetlink.PIECE.pack(4 + 6, rtnetlink.LABEL) + b"ib0:1\0" + b"\0\0"  # filled up to four bytes
    body = BODY + LOCAL + label + FLAGS + (rtnetlink.SECONDARY | 0x80).to_bytes(4, "little")
    assert shown(monkeypatch, body) == [address.Entry("ib0", "192.168.0.9", 24, "ib0:1", "usable", secondary=True)]


@pytest.mark.parametrize(("flag", "phase"), [(0x40, "tentative"), (0x48, "duplicate"), (0x01, "usable")])
def test_an_address_of_ipv6_that_is_asked_for_is_not_usable_yet(monkeypatch: pytest.MonkeyPatch, flag: int, phase: str) -> None:
    body = rtnetlink.BODY.pack(socket.AF_INET6, 64, flag, 0, 1)
    body += rtnetlink.PIECE.pack(20, rtnetlink.ADDRESS) + socket.inet_pton(socket.AF_INET6, "fd99::1")
    assert shown(monkeypatch, body) == [address.Entry("ib0", "fd99::1", 64, None, phase)]


@pytest.mark.parametrize(
    "body",
    [
        b"\2\x18",
        BODY,
        BODY + LOCAL[:6],
        BODY + rtnetlink.PIECE.pack(2, rtnetlink.LOCAL),
        BODY + rtnetlink.PIECE.pack(7, rtnetlink.LOCAL) + b"abc\0",
        rtnetlink.BODY.pack(socket.AF_INET, 24, 0, 0, 7) + LOCAL,
    ],
    ids=["cut short", "no address", "half an address", "no length", "too short", "of an interface that came since"],
)
def test_what_is_not_whole_is_ips_to_tell(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    assert shown(monkeypatch, BODY + LOCAL) is not None
    assert shown(monkeypatch, BODY + LOCAL, body) is None


def test_a_table_that_changed_meanwhile_is_ips_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> Iterator[bytes]:
        yield BODY + LOCAL
        raise OSError(errno.EINTR, "")

    monkeypatch.setattr(rtnetlink, "_dump", interrupted)
    assert rtnetlink.show(rtnetlink.COMMAND) is None


def test_this_machine_has_a_loopback() -> None:
    done = rtnetlink.show(rtnetlink.COMMAND)
    assert done
    assert ("lo", "127.0.0.1", 8) in [(entry.interface, entry.address, entry.prefix) for entry in address.parse(done.out)]
