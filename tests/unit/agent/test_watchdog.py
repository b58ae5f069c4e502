"""Who cannot look at this host may not have the role: by the signs of life of every thread."""

import pytest

from nvkeep.agent.watchdog import MARGIN_S, Pulse, Watchdog, beating
from nvkeep.state.service import PASS_WAIT_S, flag_path
from tests.unit.played import Played

LATE_S = PASS_WAIT_S + MARGIN_S + 1


def agent(*, claimed: bool) -> tuple[Played, Pulse, Pulse, Watchdog]:
    host = Played(files={flag_path("pg"): "1\n"})
    if claimed:
        host.files["/run/nvkeep/claim/pg"] = "boot\n"
    own, worker = Pulse(host), Pulse(host)  # type: ignore[arg-type]  # as much of a Host as is asked
    return host, own, worker, Watchdog(host, own, lambda: {"pg": worker})  # type: ignore[arg-type]  # as above


def flag(host: Played) -> str:
    return host.files[flag_path("pg")].strip()


def test_an_agent_whose_threads_come_back_is_well() -> None:
    host, own, worker, watchdog = agent(claimed=False)
    for _ in range(1000):
        host.clock += 1
        own.beat()
        worker.beat()
        assert watchdog.well()
    assert flag(host) == "1"


@pytest.mark.parametrize("which", ["worker", "own"])
def test_a_thread_that_does_not_come_back_costs_the_flag(which: str) -> None:
    host, own, worker, watchdog = agent(claimed=False)
    host.clock += LATE_S - 2
    assert watchdog.well()
    host.clock += 2
    (own if which == "worker" else worker).beat()
    assert not watchdog.well()
    assert flag(host) == "0"


def test_a_holder_keeps_it_longer() -> None:
    host, own, _, watchdog = agent(claimed=True)
    host.clock += LATE_S
    own.beat()
    assert not watchdog.well()
    assert flag(host) == "1"
    host.clock += MARGIN_S
    own.beat()
    assert not watchdog.well()
    assert flag(host) == "0"


def test_a_command_may_take_as_long_as_a_step() -> None:
    host, own, worker, watchdog = agent(claimed=False)
    worker.longest = 300.0
    host.clock += 300 + MARGIN_S
    own.beat()
    assert watchdog.well()


def test_every_answer_of_the_host_is_a_sign_of_life() -> None:
    host, _, worker, _ = agent(claimed=False)
    alive = beating(host, worker)  # type: ignore[arg-type]  # as above
    host.clock += 50
    assert alive.name == "srv-a"
    assert worker.at == 100.0
    with pytest.raises(FileNotFoundError):
        alive.read("/nowhere")
    assert worker.at == 150.0
