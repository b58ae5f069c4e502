"""The other hosts of the cluster, by the system's ssh and scp: as root, with the keys and known hosts that root has.

What an administrator can type, nvkeep can: `ssh NAME true` has to work without a question. Nothing that keeps a service alive
stands on this; it is for orders that go to several hosts, and for comparing them.
"""

import shlex
from collections.abc import Sequence
from typing import Any

from nvkeep.errors import CommandTimeout, Unreachable
from nvkeep.host import Completed, Host
from nvkeep.host.base import NO_SUCH_PROGRAM
from nvkeep.host.text import first, lines, load_first

NO_CONNECTION = 255  # as ssh(1) and scp(1) give it: they themselves failed
CONNECT_TIMEOUT_S = 5
OPTIONS = (
    "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}", "-o", "ServerAliveInterval=5",
    "-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes", "-o", "ControlPath=none",
)  # fmt: skip


class Peer:
    """Another host, by its name in cluster.yaml, which is the one that ssh is given."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name

    def run(self, argv: Sequence[str], timeout: float = 30.0) -> Completed:
        """Run a command there to its end, in so many seconds. Raises Unreachable; an exit code is only reported."""
        done = self._try(("ssh", *OPTIONS, "--", self.name, shlex.join(argv)), timeout)
        if done.code == NO_CONNECTION:
            raise Unreachable(self.name, done.err)
        return done

    def put(self, source: str, target: str, timeout: float = 30.0) -> None:
        """Copy a file of this host there. Raises Unreachable, also when it could not be written there."""
        done = self._try(("scp", "-q", *OPTIONS, "--", source, f"{self.name}:{target}"), timeout)
        if done.code:
            raise Unreachable(self.name, done.err)

    def _try(self, argv: tuple[str, ...], timeout: float) -> Completed:
        try:
            done = self.host.run(argv, timeout)
        except CommandTimeout as error:
            raise Unreachable(self.name, f"no answer within {timeout:g} s") from error
        if done.code == NO_SUCH_PROGRAM and done.err.startswith(f"{argv[0]}: "):
            raise Unreachable(self.name, done.err, "apt-get install openssh-client")
        return done


def json_of(name: str, done: Completed) -> Any:  # noqa: ANN401 - any JSON value
    """Read the JSON that a command printed on another host; what its shell prints before it (a .bashrc) is passed over.

    Raises ValueError, which says what was printed where no JSON was.
    """
    printed = lines(done.out)
    for number, line in enumerate(printed):
        if line.startswith(("[", "{")):
            try:
                return load_first("\n".join(printed[number:]))
            except ValueError:
                continue
    message = first(done.out, *reversed(lines(done.err)))
    raise ValueError(f"`{' '.join(done.argv)}` on {name} ended with {done.code}, and printed no JSON: {message}")
