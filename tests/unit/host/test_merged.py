"""Commands that wait for one another are run as one."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from nvkeep.errors import CommandTimeout
from nvkeep.host import command, merged
from nvkeep.host.base import Completed

ATTACH = ("nvmesh_attach_volumes", "--json", "--access", "EXCLUSIVE_READ_WRITE")


class Slow:
    """A command that goes on until it is let go, and keeps what it was asked."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.begun, self.go, self.hangs = threading.Event(), threading.Event(), hangs

    def __call__(self, argv: Sequence[str], timeout: float) -> Completed:
        self.asked.append(tuple(argv))
        self.begun.set()
        self.go.wait(10)
        if self.hangs:
            raise CommandTimeout(argv, timeout)
        return Completed(tuple(argv), 1, "", "{}")


def together(slow: Slow, *commands: tuple[str, ...]) -> list[Completed | BaseException | None]:
    """Run the first, and the others while it runs."""
    with ThreadPoolExecutor(len(commands)) as pool:
        futures = [pool.submit(merged.run, commands[0], 5.0)]
        slow.begun.wait(5)
        futures += [pool.submit(merged.run, argv, 5.0) for argv in commands[1:]]
        deadline = time.monotonic() + 5
        while sum(len(batch.names) for batch in merged.waiting.values()) < len(commands) - 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        slow.go.set()
    return [future.exception() or future.result() for future in futures]


def test_those_who_wait_are_run_as_one_and_each_gets_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(command, "run", slow)
    commands = [(*ATTACH, f"vol{number}") for number in range(1, 6)]
    done = together(slow, *commands)
    assert slow.asked[0] == commands[0]
    assert [sorted(asked) for asked in slow.asked[1:]] == [sorted((*ATTACH, "vol2", "vol3", "vol4", "vol5"))]
    assert done == [Completed(argv, 1, "", "{}") for argv in commands]
    assert not merged.waiting


def test_what_is_asked_otherwise_is_another_command(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(command, "run", slow)
    seize, detach = (*ATTACH, "--preempt", "vol2"), ("nvmesh_detach_volumes", "--json", "vol3")
    together(slow, (*ATTACH, "vol1"), seize, detach)
    assert sorted(slow.asked[1:]) == sorted((seize, detach))


def test_when_one_hangs_all_that_it_was_run_for_are_late(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(hangs=True)
    monkeypatch.setattr(command, "run", slow)
    done = together(slow, *((*ATTACH, f"vol{number}") for number in range(1, 4)))
    assert [type(each) for each in done] == [CommandTimeout] * 3
    assert not merged.waiting
    assert not merged.running.locked()


def test_whoever_waits_longer_than_it_may_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(command, "run", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(merged.run, (*ATTACH, "vol1"), 5.0)
        slow.begun.wait(5)
        with pytest.raises(CommandTimeout):
            merged.run((*ATTACH, "vol2"), 0.05)
        slow.go.set()
        assert first.result().code == 1
    assert not merged.waiting


@pytest.mark.parametrize("argv", [("nvmesh_attach_volumes", "vol1"), ("nvmesh", "client", "attach"), ("mount", "--json", "x")])
def test_other_commands_are_run_alone(argv: tuple[str, ...]) -> None:
    assert not merged.suits(argv)
