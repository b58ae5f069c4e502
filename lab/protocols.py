"""The process of a client that speaks a protocol, with the tools of Debian: `lab.guest` runs it in a tree that has them.

`python3 -m lab.protocols write|check KIND ADDRESS PORT FILE`. Like `lab.writing`: a row is acknowledged only when the service
said so, and a row whose fate is unknown is given up. Of the lab it imports only what `lab.guest` puts into its tree.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lab.libnfs import Nfs
from lab.pace import INTERVAL_S, REACHABLE_S, numbers, reachable
from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S, UNACKNOWLEDGED_MS = 1.0, 600
USER, PASSWORD, DATABASE = "app", "change-me", "app"
TABLE = "create table if not exists guide_rows (id bigint primary key)"
LOOK_BACK = 10  # a client of NFS reads the file it wrote so many files before


class Line(Protocol):
    """A connection to a service."""

    def put(self, row: int) -> None:
        """Write a row; return when the service has acknowledged it. Raises OSError."""

    def rows(self, wanted: set[int]) -> set[int]:
        """Return which of these rows are there, whole."""

    def close(self) -> None:
        """Leave."""


class Sql:
    """A database: a row is a transaction."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - two drivers of one interface
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.execute(TABLE)

    def put(self, row: int) -> None:
        """Insert."""
        self._cursor.execute("insert into guide_rows values (%s)", (row,))

    def rows(self, wanted: set[int]) -> set[int]:
        """Select."""
        self._cursor.execute("select id from guide_rows")
        return wanted & {row for (row,) in self._cursor.fetchall()}

    def close(self) -> None:
        """Close."""
        self._connection.close()


def postgresql(address: str, port: int) -> Sql:
    """Connect to PostgreSQL."""
    import psycopg2  # noqa: PLC0415 - only the tree of the clients has it

    try:
        connection = psycopg2.connect(
            host=address,
            port=port,
            user=USER,
            password=PASSWORD,
            dbname=DATABASE,
            connect_timeout=2,
            tcp_user_timeout=UNACKNOWLEDGED_MS,
        )
        connection.autocommit = True
        return Sql(connection)
    except psycopg2.Error as error:
        raise OSError(str(error)) from error


def mysql(address: str, port: int) -> Sql:
    """Connect to MariaDB."""
    import pymysql  # noqa: PLC0415 - only the tree of the clients has it

    limits = {"connect_timeout": 1, "read_timeout": PATIENCE_S, "write_timeout": PATIENCE_S}
    return Sql(
        pymysql.connect(host=address, port=port, user=USER, password=PASSWORD, database=DATABASE, autocommit=True, **limits)
    )


class Lines:
    """A service that answers every line with itself once it is on its volume, and `list` with all of them and `end`."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.create_connection((address, port), REACHABLE_S)
        self._socket.settimeout(PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self._file = self._socket.makefile("rw", encoding="ascii")
        self._read()  # its greeting

    def _read(self) -> str:
        line = self._file.readline()
        if not line.endswith("\n"):
            raise OSError("the connection ended")
        return line.strip()

    def _say(self, word: str) -> None:
        self._file.write(f"{word}\n")
        self._file.flush()

    def put(self, row: int) -> None:
        """Say the row, and hear it."""
        self._say(str(row))
        if (answer := self._read()) != str(row):
            raise OSError(f"answered {answer!r}")

    def rows(self, wanted: set[int]) -> set[int]:
        """Have all of them listed."""
        self._say("list")
        return wanted & set(map(int, iter(self._read, "end")))

    def close(self) -> None:
        """Close."""
        self._socket.close()


KINDS: dict[str, Callable[[str, int], Line]] = {
    "postgresql": postgresql,
    "mysql": mysql,
    "lines": Lines,
    "nfs3": lambda address, _port: Nfs(address, 3),
    "nfs4": lambda address, _port: Nfs(address, 4),
}


def write(kind: str, address: str, port: int, file: Path) -> None:
    """Write rows for ever, connecting anew whenever anything goes wrong."""
    rows = numbers()
    with file.open("a", buffering=1) as acks:
        while True:
            if not reachable(address, port):
                time.sleep(INTERVAL_S)
                continue
            try:
                with contextlib.closing(KINDS[kind](address, port)) as line:
                    _put(line, rows, lambda row: acks.write(f"{row} {boottime():.6f}\n"))
            except Exception as error:  # noqa: BLE001 - each driver has errors of its own; all of them end the connection
                print(f"{boottime():.3f} {type(error).__name__}: {error}", flush=True)
                time.sleep(INTERVAL_S)


def _put(line: Line, fresh: Iterator[int], acknowledge: Callable[[int], object]) -> None:
    written: list[int] = []
    while True:
        row, began = next(fresh), time.monotonic()
        line.put(row)
        acknowledge(row)
        written.append(row)
        if isinstance(line, Nfs) and len(written) > LOOK_BACK and not line.rows({written[-LOOK_BACK]}):
            sys.exit(f"{written[-LOOK_BACK]} was acknowledged, and is not there with the right sum")
        time.sleep(max(INTERVAL_S - (time.monotonic() - began), 0))


def lost(line: Line, file: Path) -> int:
    """Return how many of the acknowledged rows are not there, or not whole."""
    acknowledged = {int(row.split()[0]) for row in file.read_text().splitlines()}
    return len(acknowledged - line.rows(acknowledged))


def main(verb: str, kind: str, address: str, port: str, file: str) -> None:
    """Write until killed, or check once and print the number of lost rows."""
    if verb == "write":
        write(kind, address, int(port), Path(file))
    else:
        with contextlib.closing(KINDS[kind](address, int(port))) as line:
            print(lost(line, Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
