"""A guide of docs/guides: read from its text, its commands typed on the machines and its files written to them.

A section is what is under one heading. In a ```console block, `srv-a# COMMAND` is typed there, `both# COMMAND` on each host,
`client# COMMAND` on the client; what follows has to be printed (tests/cluster/sessions.py). A line that ends in
"`/PATH` on both hosts:" or "on srv-a:" makes the block after it that file.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.sessions import Typed, missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.vm.machine import Machine

DIRECTORY = Path(__file__).parents[2] / "docs/guides"
PROMPT = re.compile(r"(srv-[ab]|both|client)# (.*?)(?:\s+# exit (\d+))?")
FILE = re.compile(r"(?:.* )?`(/\S+)` on (both hosts|srv-[ab]|the client):")
EVERY = {"both": ("srv-a", "srv-b"), "both hosts": ("srv-a", "srv-b"), "the client": ("client",)}
LOOKS = ("nvkeep status", "cat ", "grep ", "findmnt ", "systemctl is-active", "rpcinfo ")
WITHIN = 240.0  # seconds a look is typed again; the machines are emulated
LIMIT = 300.0  # seconds a command may take


@dataclass
class Written:
    """One file, and on which hosts."""

    where: str
    path: str
    line: int
    lines: list[str] = field(default_factory=list)


@dataclass
class Section:
    """What is under one heading, in its order."""

    title: str
    steps: list[Typed | Written] = field(default_factory=list)


class Reader:
    """Reads a guide line by line."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.block = ""  # what kind of block this line is in
        self.coming: Written | None = None  # the file that the next block is

    def read(self, text: str) -> list[Section]:
        """Read every section."""
        for number, line in enumerate(text.splitlines(), 1):
            self._line(line, number)
        return self.sections

    def _line(self, line: str, number: int) -> None:
        if line.startswith("```"):
            self._fence(line)
        elif self.block == "console":
            self._typed(line, number)
        elif self.block == "file":
            last = self.sections[-1].steps[-1]
            assert isinstance(last, Written)
            last.lines.append(line)
        elif line.startswith("## "):
            self.sections.append(Section(line.removeprefix("## ")))
        elif named := FILE.fullmatch(line):
            self.coming = Written(named[2], named[1], number)

    def _fence(self, line: str) -> None:
        if self.block:
            self.block = ""
        elif self.coming:
            self.sections[-1].steps.append(self.coming)
            self.block, self.coming = "file", None
        else:
            self.block = line.removeprefix("```") or "shown"

    def _typed(self, line: str, number: int) -> None:
        steps = self.sections[-1].steps
        if typed := PROMPT.fullmatch(line):
            steps.append(Typed(typed[1], typed[2], int(typed[3] or 0), str(number)))
        elif line.strip() not in ("", "..."):
            assert isinstance(steps[-1], Typed)
            steps[-1].printed.append(line.strip())


class Guide:
    """One guide, and the machines that it is followed on."""

    def __init__(self, name: str, machines: Mapping[str, Machine]) -> None:
        self.name = name
        self.machines = machines
        self.sections = Reader().read((DIRECTORY / name).read_text())

    def follow(self, *titles: str) -> None:
        """Follow some sections, in the order of the guide."""
        known = [section.title for section in self.sections]
        assert set(titles) <= set(known), f"{self.name} has no section {set(titles) - set(known)}"
        for section in self.sections:
            for step in section.steps if section.title in titles else ():
                self._do(step)

    def _do(self, step: Typed | Written) -> None:
        where = step.where if isinstance(step, Written) else step.server
        for name in EVERY.get(where, (where,)):
            if isinstance(step, Written):
                self.machines[name].write(step.path, "".join(f"{line}\n" for line in step.lines))
            else:
                self._type(name, step)

    def _type(self, name: str, step: Typed) -> None:
        deadline = time.monotonic() + (WITHIN if step.command.startswith(LOOKS) else 0)
        while True:
            done = self.machines[name].run(("sh", "-c", step.command), timeout=LIMIT, check=False)
            printed = done.stdout + done.stderr
            lacks = missing(printed, step.printed)
            if done.returncode == step.code and not lacks:
                return
            if time.monotonic() >= deadline:
                said = f"{step.command!r} ended with {done.returncode}, not {step.code}; lacking: {lacks!r}"
                raise AssertionError(f"{self.name}:{step.place}: on {name}: {said}; printed was:\n{printed}")
            time.sleep(1)


def untyped(sections: Sequence[Section], titles: Sequence[str]) -> list[str]:
    """Name the sections with something to type or to write that are not among these."""
    return [section.title for section in sections if section.steps and section.title not in titles]
