"""What a service is asked, byte by byte, and what counts as its answer: each as it was recorded from the program named."""

import struct

import pytest

from nvkeep.model.health import (
    NULL_CALL,
    SSL_REQUEST,
    CommandHealth,
    Health,
    HttpHealth,
    MysqlHealth,
    NfsHealth,
    PostgresqlHealth,
    TcpHealth,
    example,
    fitting,
    question,
)

GREETING = b"Y\0\0\0\n5.5.5-10.11.14-MariaDB-0+deb12u2\0"  # MariaDB 10.11
BLOCKED = b"I\0\0\0\xffi\x04Host is blocked because of many connection errors"
NULL_REPLY = bytes.fromhex("80000018 6e766b70 00000001 00000000 00000000 00000000 00000000")  # NFS-Ganesha 4.3
DENIED = bytes.fromhex("80000014 6e766b70 00000001 00000001 00000001 00000001")

GOLDEN: dict[str, tuple[Health, bytes, bytes]] = {
    "postgresql without TLS": (PostgresqlHealth(postgresql=5432), SSL_REQUEST, b"N"),
    "postgresql with TLS": (PostgresqlHealth(postgresql=5432), SSL_REQUEST, b"S"),
    "postgresql that refuses": (PostgresqlHealth(postgresql=5432), SSL_REQUEST, b"E\0\0\0\x1f"),
    "mariadb": (MysqlHealth(mysql=3306), b"", GREETING),
    "mariadb that knows this host too well": (MysqlHealth(mysql=3306), b"", BLOCKED),
    "nfs": (NfsHealth(nfs=2049), NULL_CALL, NULL_REPLY),
    "http": (HttpHealth(http=80), b"GET / HTTP/1.0\r\nUser-Agent: nvkeep\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    "http elsewhere": (HttpHealth(http=80, path="/up"), b"GET /up HTTP/1.0\r\nUser-Agent: nvkeep\r\n\r\n", b"HTTP/1.0 404 "),
    "a greeting": (TcpHealth(tcp=25, expect="220 "), b"", b"220 mail.example ESMTP\r\n"),
}
BAD: dict[str, tuple[Health, bytes]] = {
    "another protocol": (PostgresqlHealth(postgresql=22), b"xSSH-2.0"),
    "an old greeting": (MysqlHealth(mysql=3306), b"Y\0\0\0\x09"),
    "a call that was denied": (NfsHealth(nfs=2049), DENIED),
    "an answer to somebody else": (NfsHealth(nfs=2049), NULL_REPLY.replace(b"nvkp", b"abcd")),
    "a server that cannot serve": (HttpHealth(http=80), b"HTTP/1.1 503 Service Unavailable"),
    "no http": (HttpHealth(http=80), b"SSH-2.0-OpenSSH_9.2p1"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_exchange(name: str) -> None:
    health, request, answer = GOLDEN[name]
    asked = question(health)
    assert asked is not None
    assert asked.request == request
    assert asked.good(answer) is True
    for end in range(len(answer)):
        assert asked.good(answer[:end]) in (None, True)
    assert asked.good(b"") is None


@pytest.mark.parametrize("name", BAD)
def test_another_answer_is_none(name: str) -> None:
    health, answer = BAD[name]
    asked = question(health)
    assert asked is not None
    assert asked.good(answer) is False


def test_a_greeting_is_waited_for() -> None:
    asked = question(TcpHealth(tcp=25, expect="220 "))
    assert asked is not None
    assert asked.good(b"421 too busy") is None


@pytest.mark.parametrize("health", [None, TcpHealth(tcp=5432), CommandHealth(command=("true",))])
def test_a_bare_connection_asks_nothing(health: Health | None) -> None:
    assert question(health) is None


def test_the_null_call_as_in_rfc_5531() -> None:
    assert struct.unpack("!11I", NULL_CALL) == (0x80000028, 0x6E766B70, 0, 2, 100003, 4, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("unit", "word"),
    [("postgresql@15-main.service", "postgresql"), ("mariadb.service", "mysql"), ("mysqld@one.service", "mysql"),
     ("nfs-server.service", "nfs"), ("nfs-ganesha.service", "nfs"), ("apache2.service", "http"), ("beegfs-meta.service", "")],
)  # fmt: skip
def test_the_check_that_fits_a_unit(unit: str, word: str) -> None:
    assert fitting(["x.timer", unit]) == word
    assert example([unit]).startswith(f"health: {{{word or 'tcp'}: ")
