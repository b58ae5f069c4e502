"""The process behind `lab.client`: `python -m lab.writing write|check ADDRESS PORT FILE`, in the lab's network."""

from __future__ import annotations

import contextlib
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import extensions

from lab.pace import INTERVAL_S, numbers, reachable
from lab.steady import boottime

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a commit may take before the connection is given up: a frozen server acknowledges packets and never answers.
PATIENCE = 1.0
TABLE = "lab_rows"


class LateError(psycopg2.OperationalError):
    """The server did not answer in time."""


def wait(connection: extensions.connection) -> None:
    """Wait for the server as psycopg2 asks, but not for ever."""
    deadline = time.monotonic() + PATIENCE
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(deadline - time.monotonic(), 0)
        reading = [connection.fileno()] if state == extensions.POLL_READ else []
        writing = [connection.fileno()] if state == extensions.POLL_WRITE else []
        if not any(select.select(reading, writing, [], left)):
            raise LateError(f"no answer within {PATIENCE} s")


def connect(address: str, port: int) -> extensions.connection:
    """Open a connection on which every statement is a transaction of its own."""
    connection = psycopg2.connect(
        host=address,
        port=port,
        user="postgres",
        dbname="postgres",
        sslmode="disable",
        gssencmode="disable",
        connect_timeout=2,
        tcp_user_timeout=600,
        keepalives=1,
        keepalives_idle=1,
        keepalives_interval=1,
        keepalives_count=2,
    )
    connection.autocommit = True
    return connection


def write(address: str, port: int, file: Path) -> None:
    """Write rows for ever, reconnecting whenever anything goes wrong."""
    rows = numbers()
    with file.open("a", buffering=1) as acks:
        while True:
            if not reachable(address, port):
                time.sleep(INTERVAL_S)
                continue
            try:
                with contextlib.closing(connect(address, port)) as connection:
                    for number, when in _commit(connection, rows):
                        acks.write(f"{number} {when:.6f}\n")
            except psycopg2.Error as error:
                print(f"{boottime():.3f} {type(error).__name__}: {error}".strip(), flush=True)
                time.sleep(INTERVAL_S)


def _commit(connection: extensions.connection, fresh: Iterator[int]) -> Iterator[tuple[int, float]]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (id bigint PRIMARY KEY, at timestamptz DEFAULT now())")
        while True:
            number, began = next(fresh), time.monotonic()
            cursor.execute(f"INSERT INTO {TABLE} (id) VALUES (%s)", (number,))  # noqa: S608 - the name is ours
            yield number, boottime()
            time.sleep(max(INTERVAL_S - (time.monotonic() - began), 0))


def check(address: str, port: int, file: Path) -> int:
    """Return how many of the acknowledged rows are not in the database."""
    acknowledged = {int(line.split()[0]) for line in file.read_text().splitlines()}
    with contextlib.closing(connect(address, port)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {TABLE}")  # noqa: S608 - the name is ours
        return len(acknowledged - {row[0] for row in cursor})


def main(verb: str, address: str, port: str, file: str) -> None:
    """Write until killed, or check once and print the number of lost rows."""
    extensions.set_wait_callback(wait)
    if verb == "write":
        write(address, int(port), Path(file))
    else:
        print(check(address, int(port), Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
