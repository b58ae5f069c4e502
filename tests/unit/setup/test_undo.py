"""A keepalived that ran before, and does not survive what setting up puts in place: taken back is only where it runs again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nvkeep.host import Completed
from nvkeep.keepalived import CONF
from nvkeep.keepalived.install import installer
from nvkeep.keepalived.names import UNIT
from nvkeep.setup import record, steps, undo
from nvkeep.setup.steps import Ended
from tests.unit.setup.test_killed import ORDER, THEIRS, Machine, answering, furnish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["answering"]  # every test here needs it


class Dying(Machine):
    """A host whose keepalived dies when it is reloaded, and runs again only when it may (`comes`); systemd calls it `word`."""

    comes, word = False, "active"

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        if UNIT not in argv or argv[1] not in ("reload", "restart", "start") or (argv[1] == "start" and self.comes):
            done = super().run(argv, timeout)
            return done._replace(out=done.out.replace("ActiveState=active", f"ActiveState={self.word}"))
        self.active.discard(UNIT)
        return Completed(tuple(argv), 0 if argv[1] == "reload" else 1, "", "Job failed")

    def sleep(self, seconds: float) -> None:
        """Let no time pass."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dying:
    made = Dying(tmp_path)
    furnish(made, {CONF: THEIRS})
    made.enabled.add(UNIT)
    made.active.add(UNIT)
    monkeypatch.setattr(installer, "come", lambda *_: "" if UNIT in made.active else "keepalived does not answer")
    return made


def refuse(host: Dying) -> None:
    """Let the files cost keepalived its life, and what was there before not bring it back."""
    ended = steps.commit(host, ORDER)
    assert not ended.well
    assert ended.lines[-1] == "the previous files are back, and keepalived does not start: Job failed; journalctl -u keepalived"
    assert UNIT not in host.active


def test_a_host_whose_keepalived_stays_dead_is_not_as_it_was(host: Dying) -> None:
    refuse(host)
    for _ in range(2):  # what is typed later says the same
        assert undo.undo(host) == Ended(
            well=False, lines=("keepalived ran before and does not start; journalctl -u keepalived",)
        )
        assert record.saved(host) is not None


def test_a_keepalived_that_may_start_again_is_started(host: Dying) -> None:
    was = host.state()
    refuse(host)
    host.comes = True
    assert undo.undo(host) == Ended(well=True, lines=("as it was",))
    assert host.state() == was


def test_a_keepalived_that_is_started_again_and_again_does_not_run(host: Dying) -> None:
    refuse(host)
    host.comes, host.word = True, "activating"
    assert not undo.undo(host).well
