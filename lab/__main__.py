"""`python -m lab up | shell SERVER | clean`: bring two servers up for exploring, get into one, remove leftovers."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from lab import cluster, needs, nspawn
from lab.cluster import Lab
from lab.commands import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence


def up(servers: Sequence[str], *, install: bool) -> None:
    """Bring servers up, say how to get into them, and wait for Ctrl-C."""
    with Lab(servers, install=install) as lab:
        for server in lab:
            print(f"  {server.name}: {sys.executable} -m lab shell {server.name}")
        print("  the volume: nvmesh_attach_volumes -w --access EXCLUSIVE_READ_WRITE vol1")
        print("Ctrl-C takes them down.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        print("* Taking the servers down", flush=True)


def shell(server: str) -> None:
    """Become a shell in a server that `up`, or a test, has started."""
    pid = nspawn.init(server)
    if pid is None:
        raise LabError(f"{server} is not up; start it with: python -m lab up")
    command = ("nsenter", "-t", str(pid), "-a", "env", "HOME=/root", "TERM=xterm", "bash", "--login")
    os.execvp(command[0], command)  # noqa: S606 - becoming the shell is the purpose


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    starting = verbs.add_parser("up", help="bring servers up until Ctrl-C")
    starting.add_argument("servers", nargs="*", default=["srv-a", "srv-b"])
    starting.add_argument("--bare", action="store_true", help="without nvkeep in them")
    verbs.add_parser("shell", help="a shell in a server").add_argument("server")
    verbs.add_parser("clean", help="remove what a killed lab left")
    given = parser.parse_args()
    try:
        _do(given)
    except LabError as error:
        sys.exit(f"lab: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _do(given: argparse.Namespace) -> None:
    needs.demand(needs.lacking())
    if given.verb == "up":
        up(given.servers, install=not given.bare)
    elif given.verb == "shell":
        shell(given.server)
    else:
        cluster.clean_unused()


if __name__ == "__main__":
    main()
