"""The sessions of docs/operations.md: read from the text, and typed on the lab's servers.

A session is a ```console block under a heading. `srv-a# COMMAND` is typed there; what follows, up to the next prompt, are lines
that have to be printed, in this order: `...` stands for anything, and a number of seconds for any other. A command that has to
end otherwise than with 0 says so: `# exit 2`. What only looks is typed again until it says so, for a while, as people do. A
comment before the block says on which server the service is at its end, and whether the storage may have seen a seize.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.cluster import Lab
    from lab.server import Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
PROMPT = re.compile(r"(srv-[a-c])# (.*?)(?:\s+# exit (\d+))?")
COMMENT = re.compile(r"<!-- ends on (srv-[a-c])(, seized)? -->")
LOOKS = (
    "nvkeep status",
    "nvkeep_check_status",
    "nvkeep holders",
    "nvkeep plan",
    "systemctl is-active",
    "systemctl is-system-running",
)
REBOOT = "systemctl reboot"
WITHIN = 40.0  # seconds a look is typed again
LIMIT = 150.0  # seconds a command may take


@dataclass
class Typed:
    """One command, on which server, how it has to end, what has to be printed, and its line in the document."""

    server: str
    command: str
    code: int
    line: int
    printed: list[str] = field(default_factory=list)

    @property
    def looks(self) -> bool:
        """Whether it changes nothing, and may be typed again."""
        return self.command.startswith(LOOKS)


@dataclass
class Session:
    """What is under one heading: where the service is in the end, and whether the storage may have seen a seize."""

    title: str
    ends: str = "srv-a"
    seized: bool = False
    steps: list[Typed] = field(default_factory=list)


def read(text: str) -> list[Session]:
    """Read every session of a document; headings without one are left out."""
    sessions: list[Session] = []
    within = False
    for number, line in enumerate(text.splitlines(), 1):
        comment = COMMENT.fullmatch(line)
        if line.startswith("## ") and not within:
            sessions.append(Session(line.removeprefix("## ")))
        elif comment:
            sessions[-1].ends, sessions[-1].seized = comment[1], bool(comment[2])
        elif line.startswith("```"):
            within = line == "```console"
        elif within:
            _step(sessions[-1], line, number)
    return [one for one in sessions if one.steps]


def _step(session: Session, line: str, number: int) -> None:
    typed = PROMPT.fullmatch(line)
    if typed:
        session.steps.append(Typed(typed[1], typed[2], int(typed[3] or 0), number))
    elif line.strip() not in ("", "..."):
        session.steps[-1].printed.append(line.strip())


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
        if step.command == REBOOT:
            lab[step.server].reboot()
        else:
            _type(lab[step.server], step)


def _type(server: Server, step: Typed) -> None:
    deadline = time.monotonic() + (WITHIN if step.looks else 0)
    while True:
        done = server.run(("sh", "-c", step.command), timeout=LIMIT, check=False)
        printed = done.stdout + done.stderr
        lacks = missing(printed, step.printed)
        if done.returncode == step.code and not lacks:
            return
        if time.monotonic() >= deadline:
            said = f"{step.command!r} ended with {done.returncode}, not {step.code}" if done.returncode != step.code else lacks
            raise AssertionError(f"{DOCUMENT.name}:{step.line}: on {step.server}: {said}; printed was:\n{printed}")
        time.sleep(0.5)
