"""Setups that meet: two that are typed at the same time touch nothing of each other's, and say who is in the way."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from nvkeep import config
from nvkeep.cli import setup
from nvkeep.keepalived import PART
from nvkeep.setup import changes, record, steps
from nvkeep.setup import order as orders
from nvkeep.setup.order import TARGET, Order
from tests.unit.test_setup_killed import ALL, CHANGED, ORDER, TEXT, Machine, answering, machine

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["answering"]  # every test here needs it
OTHER = Order(config.parse(CHANGED), CHANGED)


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
    assert capsys.readouterr().out.count("nothing of this setup here, but of another one") == 2
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
    assert record.standing(host) is not None
    assert told(host, "undo", ORDER) == 0
    assert host.exists(TARGET)
    assert told(host, "undo", None) == 0
    assert not host.exists(TARGET)
