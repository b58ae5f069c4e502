"""What cluster.yaml may say of `health:`, and what a service is asked then: the first bytes of its protocol. Pure.

A connection is accepted by the kernel, also of a host whose processes all hang; only an answer shows that the service is alive.
Sources: PostgreSQL, "Message Formats", SSLRequest (nothing is logged for it); MySQL, "Protocol::Handshake" and ERR_Packet; RFC
5531 and RFC 8881 (procedure NULL); RFC 9112.
"""

import re
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from nvkeep.model.frozen import Frozen, Limits, OneOf
from nvkeep.model.names import Argument

SSL_REQUEST = struct.pack("!II", 8, 80877103)
HANDSHAKE, ERROR = 10, 255  # the first byte of what MySQL says first
PACKET_BYTES = 5
CALL, REPLY, ACCEPTED = 0, 1, 0
XID, RPC, NFS, NULL = 0x6E766B70, 2, 100003, 0
NULL_CALL = struct.pack("!I10I", 1 << 31 | 40, XID, CALL, RPC, NFS, 4, NULL, 0, 0, 0, 0)
REPLY_BYTES = 16
STATUS = rb"HTTP/1\.[01] ([1-5]\d\d) "
STATUS_BYTES = 13
FAILED = b"5"  # of a status: the server is there, and cannot serve

FITTING = (
    (r"postgresql(@.*)?\.service", "postgresql"),
    (r"(mariadb|mysqld?)(@.*)?\.service", "mysql"),
    (r"nfs-(server|kernel-server|ganesha)(@.*)?\.service", "nfs"),
    (r"(nginx|apache2|httpd|caddy|lighttpd)(@.*)?\.service", "http"),
)
PORTS = {"postgresql": 5432, "mysql": 3306, "nfs": 2049, "http": 80}


Port = Annotated[int, Limits(ge=1, le=65535)]


class TcpHealth(Frozen):
    """Healthy while a TCP connection to the floating address is accepted; with `expect`, while the service says that first."""

    tcp: Port
    expect: Annotated[str, Limits(min_length=1, max_length=200)] | None = None


class PostgresqlHealth(Frozen):
    """Healthy while PostgreSQL answers."""

    postgresql: Port


class MysqlHealth(Frozen):
    """Healthy while MySQL or MariaDB greets."""

    mysql: Port


class NfsHealth(Frozen):
    """Healthy while an NFS server answers the NULL call."""

    nfs: Port


class HttpHealth(Frozen):
    """Healthy while a web server answers with anything but 5xx."""

    http: Port
    path: Annotated[str, Limits(pattern=r"^/[!-~]{0,500}$")] = "/"


class CommandHealth(Frozen):
    """Healthy while the command ends with 0; it should touch the volume."""

    command: Annotated[tuple[Argument, ...], Limits(min_length=1, strict=False)]


HEALTHS = {
    "command": CommandHealth, "postgresql": PostgresqlHealth, "mysql": MysqlHealth, "nfs": NfsHealth, "http": HttpHealth,
    "tcp": TcpHealth,
}  # fmt: skip


def _health(value: object) -> str:
    return next((word for word in HEALTHS if isinstance(value, dict) and word in value), "tcp")


Health = Annotated[
    CommandHealth | PostgresqlHealth | MysqlHealth | NfsHealth | HttpHealth | TcpHealth,
    OneOf(_health, HEALTHS),
]


def port_of(health: Health) -> int:
    """Give the port that is asked; 0 where a command is run."""
    return next((int(getattr(health, word)) for word in HEALTHS if word != "command" and hasattr(health, word)), 0)


class Question(NamedTuple):
    """What is sent, and what an answer says: it is the service's (True), it is not (False), more has to come (None)."""

    request: bytes
    good: Callable[[bytes], bool | None]


def question(health: Health | None) -> Question | None:
    """Give what is asked through the floating address; None where there is nothing to ask but whether somebody accepts."""
    match health:
        case PostgresqlHealth():
            return Question(SSL_REQUEST, _postgresql)
        case MysqlHealth():
            return Question(b"", _mysql)
        case NfsHealth():
            return Question(NULL_CALL, _nfs)
        case HttpHealth():
            return Question(f"GET {health.path} HTTP/1.0\r\nUser-Agent: nvkeep\r\n\r\n".encode(), _http)
        case TcpHealth(expect=str(expected)):
            return Question(b"", lambda answer: True if expected.encode() in answer else None)
    return None


def _postgresql(answer: bytes) -> bool | None:
    return answer[:1] in (b"S", b"N", b"E") if answer else None


def _mysql(answer: bytes) -> bool | None:
    return answer[4] in (HANDSHAKE, ERROR) if len(answer) >= PACKET_BYTES else None


def _nfs(answer: bytes) -> bool | None:
    return struct.unpack("!3I", answer[4:REPLY_BYTES]) == (XID, REPLY, ACCEPTED) if len(answer) >= REPLY_BYTES else None


def _http(answer: bytes) -> bool | None:
    status = re.match(STATUS, answer)
    if status:
        return not status[1].startswith(FAILED)
    return None if len(answer) < STATUS_BYTES else False


def vouches(health: Health | None) -> bool:
    """Return whether a check that passes shows that the service is alive; a connection is accepted by the kernel alone."""
    return isinstance(health, CommandHealth) or question(health) is not None


def fitting(units: Sequence[str]) -> str:
    """Name the protocol of a service by its units; empty for one that is not known."""
    return next((word for unit in units for pattern, word in FITTING if re.fullmatch(pattern, unit)), "")


def example(units: Sequence[str]) -> str:
    """Give what to write for a service with these units."""
    word = fitting(units)
    return (
        f"health: {{{word}: {PORTS[word]}}}" if word else "health: {tcp: PORT, expect: TEXT}, or {command: [PROGRAM, ARGUMENT]}"
    )
