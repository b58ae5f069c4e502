"""The sessions of docs/operations.md and of the guides: read from the text, and typed on the lab's servers.

A session is a ```console block under a heading. `srv-a# COMMAND` is typed there; what follows, up to the next prompt, are lines
that have to be printed, in this order: `...` stands for anything, and a number of seconds for any other. A command that has to
end otherwise than with 0 says so: `# exit 2`. What only looks is typed again until it says so, for a while, as people do. A
comment before the block says on which server each service is at its end, and whether the storage may have seen a seize.

Any other block whose first or second line says `# PATH on SERVER and SERVER` is a file, and is written there in its turn. What
restarts a server without its orderly end is a power cut here; it has no power until something is typed on it again.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.cluster import Lab
    from lab.server import Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
GUIDES = DOCUMENT.with_name("guides")
PROMPT = re.compile(r"(srv-[a-c])# (.*?)(?:\s+# exit (\d+))?")
COMMENT = re.compile(r"<!-- ends on (srv-[a-c](?: and srv-[a-c])*)(, seized)? -->")
FILE = re.compile(r"# (/\S+) on (srv-[a-c](?: and srv-[a-c])*)")
LOOKS = (
    "nvkeep status",
    "nvkeep_check_status",
    "nvkeep holders",
    "nvkeep plan",
    "systemctl is-active",
    "systemctl is-system-running",
)
REBOOT, POWER_CUT = "systemctl reboot", "echo b > /proc/sysrq-trigger"
WITHIN = 40.0  # seconds a look is typed again
LIMIT = 150.0  # seconds a command may take


@dataclass
class Typed:
    """One command, on which server, how it has to end, where it is written, what it reads, and what has to be printed."""

    server: str
    command: str
    code: int
    place: str
    feed: str | None = None
    printed: list[str] = field(default_factory=list)

    @property
    def looks(self) -> bool:
        """Whether it changes nothing, and may be typed again."""
        return self.command.startswith(LOOKS)


@dataclass
class Session:
    """What is under one heading: where the services are in the end (if it says so), and whether there may be a seize."""

    title: str
    ends: str = "srv-a"
    said: bool = False
    seized: bool = False
    steps: list[Typed] = field(default_factory=list)


def read(text: str, name: str = DOCUMENT.name) -> list[Session]:
    """Read every session of a document; headings without one are left out."""
    sessions = [Session("before any heading")]
    lines = iter(enumerate(text.splitlines(), 1))
    for _, line in lines:
        if line.startswith("## "):
            sessions.append(Session(line.removeprefix("## ")))
        elif comment := COMMENT.fullmatch(line):
            sessions[-1].ends, sessions[-1].said, sessions[-1].seized = comment[1], True, bool(comment[2])
        elif line.startswith("```"):
            block = [(f"{name}:{at}", inside) for at, inside in takewhile(lambda one: one[1] != "```", lines)]
            sessions[-1].steps += _commands(block) if line == "```console" else _file(block)
    return [one for one in sessions if one.steps]


def _commands(block: list[tuple[str, str]]) -> list[Typed]:
    steps: list[Typed] = []
    for place, line in block:
        if typed := PROMPT.fullmatch(line):
            steps.append(Typed(typed[1], typed[2], int(typed[3] or 0), place))
        elif line.strip() not in ("", "..."):
            steps[-1].printed.append(line.strip())
    return steps


def _file(block: list[tuple[str, str]]) -> list[Typed]:
    """Write a file as somebody would who copies it; a program can be run then."""
    for place, line in block[:2]:
        if named := FILE.fullmatch(line):
            text = "".join(f"{inside}\n" for _, inside in block)
            command = f"install -D -m {755 if text.startswith('#!') else 644} /dev/stdin {named[1]}"
            return [Typed(server, command, 0, place, text) for server in named[2].split(" and ")]
    return []


def pattern(line: str) -> re.Pattern[str]:
    """Make what matches a line of the document."""
    escaped = re.escape(line).replace(r"\.\.\.", ".*")
    return re.compile(re.sub(r"\d+(\\\.\d+)?\\ s\b", r"\\d+(\\.\\d+)?\\ s", escaped))


def missing(printed: str, expected: list[str]) -> str:
    """Name the first expected line that was not printed in its turn; empty when all were."""
    lines = iter(printed.splitlines())
    return next((one for one in expected if not any(pattern(one).search(line) for line in lines)), "")


def type_all(lab: Lab, session: Session) -> None:
    """Type a session from its first line to its last. Raises AssertionError with what was printed instead."""
    for step in session.steps:
        server = lab[step.server]
        if not server.alive:
            server.power_on()
        if step.command == REBOOT:
            server.reboot()
        elif step.command == POWER_CUT:
            server.power_cut()
        else:
            _type(server, step)


def _type(server: Server, step: Typed) -> None:
    assert "/proc/sys" not in step.command, f"{step.place}: this could be meant for the kernel, which is the machine's own"
    deadline = time.monotonic() + (WITHIN if step.looks else 0)
    while True:
        done = server.run(("sh", "-c", step.command), timeout=LIMIT, check=False, feed=step.feed)
        printed = done.stdout + done.stderr
        lacks = missing(printed, step.printed)
        if done.returncode == step.code and not lacks:
            return
        if time.monotonic() >= deadline:
            said = f"{step.command!r} ended with {done.returncode}, not {step.code}" if done.returncode != step.code else lacks
            raise AssertionError(f"{step.place}: on {step.server}: {said}; printed was:\n{printed}")
        time.sleep(0.5)
