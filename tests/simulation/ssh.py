"""Ssh between the machines of a world: what nvkeep types on another host is done there, by nvkeep's own code."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict

import pytest

from nvkeep.admin.orders import order
from nvkeep.core.scope import Scope
from nvkeep.host import Completed
from nvkeep.model.override import Kind
from nvkeep.state.orders import Overrides
from nvkeep.status.service import service_status
from tests.simulation.world import SERVICE, Process, World, force_role

FULL = "nvkeep: [Errno 28] No space left on device; df -h /run /var/lib/nvkeep"


class Ssh(Process):
    """A run of nvkeep that reaches other machines, but for those of `unheard`; those of `full` can record nothing."""

    unheard: frozenset[str] = frozenset()
    full: frozenset[str] = frozenset()

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        """Run a command here, or there."""
        if argv[0] != "ssh":
            return super().run(argv, timeout)
        name, typed = argv[-2], shlex.split(argv[-1])
        if name in self.unheard or not self.world.machines[name].on:
            self.world.advance(5.0)
            return Completed(tuple(argv), 255, "", f"ssh: connect to host {name} port 22: No route to host")
        self.world.advance(0.3)
        return self._typed(name, typed[1:]) if typed[0] == "nvkeep" else Completed(tuple(typed), 0, "", "")

    def _typed(self, name: str, words: list[str]) -> Completed:
        there = Process(self.world, self.world.machines[name])
        if words[0] == "status":
            said = json.dumps([asdict(service_status(Scope(there, self.world.cluster, SERVICE)))])
            return Completed(tuple(words), 0, said, "")
        if words[0] == "apply":
            report = self.world.make_pass(name)
            return Completed(tuple(words), 0 if report and report.settled else 1, "", "")
        assert words[0] == "override", words
        return self._ordered(there, words)

    def _ordered(self, there: Process, words: list[str]) -> Completed:
        if words[1] == "end":
            Overrides(there).end(Kind(words[2]), words[3])
        elif there.name in self.full:
            return Completed(tuple(words), 1, "", FULL)
        else:
            order(there, Kind(words[2]), words[3], words[words.index("--reason") + 1], by=words[words.index("--by") + 1])
        return Completed(tuple(words), 0, "", "")


class Lively(Ssh):
    """The same; as soon as a releases, keepalived makes `heir` master, which makes passes while this one waits."""

    heir = "b"

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if not self.machine.holds("vol"):
            force_role(self.world, self.name, "FAULT")
            force_role(self.world, self.heir, "MASTER")
            self.world.make_pass(self.heir)


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out of `nvkeep status` what asks this very machine."""
    monkeypatch.setattr("nvkeep.status.warnings.blockers", lambda _: [])  # nobody in this world has a file open
    monkeypatch.setattr("nvkeep.keepalived.drifted", lambda *_: "")  # nor has keepalived a file


def at(world: World, name: str) -> Process:
    """Give a run of nvkeep on a machine."""
    return Process(world, world.machines[name])
