"""The error tree, drawn by who has to act.

NvkeepError
+-- ConfigError        the administrator: cluster.yaml is wrong; every problem with its place
+-- UnsafeFile         the administrator: a file that others can write is not read
+-- NotHere            the administrator: the command was typed on the wrong host
+-- Unsuited           the administrator: keepalived, or what others configured for it, does not go with nvkeep
+-- Unreachable        the administrator: another host could not be asked by ssh
+-- ProbeError         nobody: it cannot be determined; what is unknown is left alone
+-- Busy               wait: another pass holds the lock of the service
+-- StepError          a step did not bring what it was for
    +-- CommandError   ... its command failed: argv, exit code, stderr
    |   +-- CommandTimeout  ... or did not end in its time
    +-- Transient      ... and is worth another try within the time of the step
    |   +-- Pending    ... it is on its way: only look again
    +-- Denied         ... because another host holds the volume
    +-- Lost           ... because this host has just lost the volume: stop everything, isolate
"""

from collections.abc import Sequence
from typing import NamedTuple


class NvkeepError(Exception):
    """Everything nvkeep raises on purpose."""


class Problem(NamedTuple):
    """One thing wrong in a file: line and column count from 1, path is dotted, text ends in what to write instead."""

    line: int
    column: int
    path: str
    text: str


class ConfigError(NvkeepError):
    """cluster.yaml is wrong: all problems at once, in the order of the file."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """Give one line a problem: file:line:column: path: what is wrong; what to write instead."""
        return [":".join(filter(None, (f"{self.file}:{p.line}:{p.column}", f" {p.path}" if p.path else "", f" {p.text}")))
                for p in self.problems]  # fmt: skip


class UnsafeFile(NvkeepError):
    """A file that decides what root does can be written by others."""


class NotHere(NvkeepError):
    """This host has no part in what was asked."""


class Unsuited(NvkeepError):
    """keepalived here, or its other configuration, does not go with nvkeep."""


class Unreachable(NvkeepError):
    """Another host could not be asked; carries its name, what ssh said last, and the command that helps where it is known."""

    def __init__(self, name: str, stderr: str, fix: str = "") -> None:
        self.name, self.fix = name, fix
        self.said = next((line.strip() for line in reversed(stderr.split("\n")) if line.strip()), "no message")
        instead = fix or f"passwordless login must work: ssh {name} true"
        super().__init__(f"cannot reach {name} over ssh: {self.said}; {instead}")


class ProbeError(NvkeepError):
    """A probe could not tell. Never read as absent. `fix`: the command that helps, where one is known."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__("; ".join(filter(None, (why, fix))))
        self.why, self.fix = why, fix


def visible(text: str) -> str:
    """Write what would move a cursor, or is no character, as its escape: a name of others' is part of many messages."""
    return "".join(char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text)


def clean(text: str) -> str:
    """Make such a text of one line, too."""
    return visible(text).replace("\n", "\\n")


class Busy(NvkeepError):
    """Another pass over this service is under way."""


class StepError(NvkeepError):
    """A step did not bring what it was for."""


class CommandError(StepError):
    """A command failed; carries argv, exit code and stderr."""

    def __init__(self, argv: Sequence[str], code: int, stderr: str) -> None:
        self.argv = tuple(argv)
        self.code = code
        self.stderr = visible(stderr.strip())
        super().__init__(f"`{' '.join(argv)}` ended with {code}: {self.stderr or 'no message'}")


class CommandTimeout(CommandError):
    """A command was given up: it did not start or end in its time, or printed without end (exit code 124, as of timeout(1))."""

    def __init__(self, argv: Sequence[str], seconds: float, why: str = "") -> None:
        super().__init__(argv, 124, why or f"no end after {seconds:g} s; killed")


class Transient(StepError):
    """Worth another try."""


class Pending(Transient):
    """On its way; only look again, do nothing."""


class Denied(StepError):
    """Another host holds the volume."""


class Lost(StepError):
    """This host has lost a volume it held."""
