"""Setups that meet: two that are typed at the same time touch nothing of each other's, and say who is in the way."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from nvkeep import config
from nvkeep.cli import main, setup
from nvkeep.config import parsing
from nvkeep.errors import Busy
from nvkeep.keepalived import PART
from nvkeep.setup import changes, record, steps
from nvkeep.setup import order as orders
from nvkeep.setup.order import TARGET, Order
from nvkeep.state.files import RUN
from tests.unit.setup.test_killed import ALL, CHANGED, CLUSTER, ORDER, TEXT, Machine, answering, machine

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["answering"]  # every test here needs it
OTHER = Order(parsing.parse(CHANGED), CHANGED)


def told(host: Machine, step: str, order: Order | None) -> int:
    """Let a host be told a step by a setup, or by hand."""
    return setup._step(host, Namespace(step=step, digest=order.digest if order else "", at_boot=None))


def begun(host: Machine, order: Order) -> None:
    """Let a setup get as far as its last step."""
    orders.stage(host, order)
    for step in (steps.commit, steps.start, steps.lead):
        assert step(host, order).well


@pytest.fixture
def host(tmp_path: Path) -> Machine:
    return machine(tmp_path, {})


def test_a_setup_that_fails_takes_nothing_of_another_one_back(host: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    begun(host, OTHER)
    was = host.state()
    for step in ("undo", "finish", "clear"):
        assert told(host, step, ORDER) == 0
        assert host.state() == was
    assert host.read(orders.FILE) == CHANGED
    assert capsys.readouterr().out.count("this host has the record of another setup") == 2
    assert told(host, "finish", OTHER) == 0
    assert told(host, "clear", OTHER) == 0
    assert (host.active, host.exists(record.FILE), host.exists(orders.STAGED)) == (set(ALL), False, False)
    assert changes.changes(host, OTHER) == ()


@pytest.mark.parametrize("by", [OTHER, None])
def test_what_a_setup_began_is_taken_back_by_itself_or_by_hand(host: Machine, by: Order | None) -> None:
    begun(host, OTHER)
    assert told(host, "undo", by) == 0
    assert (host.active, host.enabled, host.exists(TARGET), host.exists(PART)) == (set(), set(), False, False)
    assert not host.exists(orders.STAGED)


def test_a_setup_that_goes_on_with_what_another_one_began_takes_it_back_to_the_beginning(host: Machine) -> None:
    begun(host, OTHER)
    begun(host, ORDER)
    assert told(host, "undo", OTHER) == 0
    assert host.read(TARGET) == TEXT
    assert told(host, "undo", ORDER) == 0
    assert (host.active, host.exists(TARGET)) == (set(), False)


def test_a_record_of_an_earlier_version_is_one_of_nobody(host: Machine) -> None:
    begun(host, ORDER)
    host.write(record.FILE, host.read(record.FILE).replace(f', "digest": "{ORDER.digest}"', ""))
    assert record.saved(host) is not None
    assert told(host, "undo", ORDER) == 0
    assert host.exists(TARGET)
    assert told(host, "undo", None) == 0
    assert not host.exists(TARGET)


def typed(host: Machine, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Type it on a host, as root; give the exit code."""
    monkeypatch.setattr(setup, "LocalHost", lambda: host)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(setup, "LOCK_TIMEOUT_S", 0.0)
    try:
        return main(["setup", *words])
    except SystemExit as end:
        return int(str(end.code))


@pytest.mark.parametrize(("words", "lock"), [(("--yes",), ".setup"), (("--undo",), ".setup-step")])
def test_whoever_types_a_second_setup_is_told_of_the_first(
    host: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], lock: str
) -> None:
    was = host.state()
    with host.lock(f"{RUN}/lock/{lock}", 0.0):
        assert typed(host, monkeypatch, *words) == 2
    pid = os.getpid()
    assert capsys.readouterr() == (
        "", f"another nvkeep setup runs on {host.name} (pid {pid}); nothing was changed; wait for it: ps -fp {pid}\n"
    )  # fmt: skip
    assert host.state() == was


def test_what_is_busy_later_is_not_taken_for_another_setup(host: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> int:
        raise Busy("another pass")

    monkeypatch.setattr(setup, "_guided", busy)
    assert typed(host, monkeypatch, "--yes") == 1


def test_a_host_outside_of_the_file_and_a_wrong_argument_end_with_what_help_says(
    host: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "load", lambda _: CLUSTER)
    host.write(TARGET, TEXT)
    was, host.name = host.state(), "elsewhere"
    assert typed(host, monkeypatch, "--yes") == 2
    members = ", ".join(ORDER.members)
    assert capsys.readouterr() == ("", f"elsewhere may run no service of this cluster; type it on one of {members}\n")
    assert typed(host, monkeypatch, "--yse") == 2
    assert capsys.readouterr().err.endswith("nvkeep setup: error: unrecognized arguments: --yse\n")
    assert host.state() == was
