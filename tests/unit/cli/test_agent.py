"""How the agent ends: in order, however often it is told."""

import argparse
import os
import signal

import pytest

from nvkeep.cli import agent


def test_a_second_sigterm_does_not_end_what_the_first_has_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Ending:
        """An agent that is ended twice."""

        def __init__(self, *_: object) -> None:
            pass

        def run(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.sigtimedwait([], 5)  # until the handler has run
            done.append("went on")

        def finish(self, seconds: float) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(f"finished within {seconds:g} s")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(agent, "Agent", Ending)
    for name in ("refuse_unsafe_state", "refuse_others_than_root"):
        monkeypatch.setattr(agent, name, lambda: None)
    monkeypatch.setattr(agent, "_refuse_second", lambda _: None)
    monkeypatch.setattr("nvkeep.log.setup", lambda: None)
    try:
        assert agent.run(argparse.Namespace(file="/nowhere")) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == [f"finished within {agent.STOP_LIMIT_S:g} s"]
