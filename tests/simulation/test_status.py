"""What `nvkeep status` says where the decision alone would mislead."""

import json

import pytest

from nvkeep.core.scope import Scope
from nvkeep.model.timers import DENIED_AGAIN_S
from nvkeep.state.service import Store
from nvkeep.status.service import ServiceStatus, service_status
from tests.simulation.stories import serving
from tests.simulation.world import SERVICE, VOLUME, Process, World, force_role

TIMERS = f"/run/nvkeep/standing/{SERVICE}"


def status(world: World, name: str) -> ServiceStatus:
    return service_status(Scope(Process(world, world.machines[name]), world.cluster, SERVICE))


def test_a_host_that_never_made_a_pass_has_lost_nothing() -> None:
    world = serving(backend="image")
    force_role(world, "b", "MASTER")
    world.machines["b"].files.pop("/var/lib/nvkeep/loss/nfs")
    new = status(world, "b")
    assert (str(new.summary), new.why) == ("degraded", "this host does not take over from another host yet")
    assert any("no pass has run here" in warning for warning in new.warnings)
    world.make_pass("b")
    assert world.serves("a")


def test_a_host_whose_volume_was_taken_says_lost() -> None:
    world = serving()
    world.seize_behind_its_back(VOLUME)
    assert str(status(world, "a").summary) == "lost"
    world.make_pass("a")
    force_role(world, "a", "MASTER")
    assert str(status(world, "a").summary) == "lost"


@pytest.mark.parametrize(("role", "summary", "lasts"), [("MASTER", "split", 40.0), ("CANDIDATE", "ok", DENIED_AGAIN_S)])
def test_a_host_that_was_denied_the_volume_says_so_until_the_next_pass(role: str, summary: str, lasts: float) -> None:
    """NVMesh names no holder: only the pass that tried knows. Without its record every look would say `converging`."""
    world = serving(beats=2)
    force_role(world, "b", role)
    assert str(status(world, "b").summary) == "converging"
    world.make_pass("b")
    files = world.machines["b"].files
    files[TIMERS] = json.dumps(json.loads(files[TIMERS]) | {"yield_until": 0.0})  # what it says does not hang on the backoff
    seen = status(world, "b")
    assert (str(seen.summary), str(seen.holder_word)) == (summary, "another")
    world.advance(lasts)
    assert str(status(world, "b").holder_word) == "untold"


def test_what_is_left_alone_because_the_holder_cannot_be_told_is_called_so() -> None:
    world = serving()
    world.machines["a"].unreadable.add("/proc/nvmeibc/volumes/*")
    seen = status(world, "a")
    assert str(seen.summary) == "unknown"
    assert {line.mark for line in seen.lines} == {"[UNKNOWN]"}
    assert {line.reason for line in seen.lines if line.title != "VOLUME"} == {"left alone"}
    assert not any("should not be here" in line.reason for line in seen.lines)


def test_a_role_by_hand_that_cannot_be_read_is_a_warning_with_what_to_type() -> None:
    world = serving()
    world.machines["b"].files[f"/run/nvkeep/role/{SERVICE}"] = "king"
    seen = status(world, "b")
    assert seen.role == f"NONE (by hand; nvkeep role {SERVICE} --unset)"
    assert any("king" in warning and warning.endswith(f"nvkeep role {SERVICE} --unset") for warning in seen.warnings)


def test_a_pass_with_a_role_by_hand_keeps_the_last_answer_of_keepalived() -> None:
    world = serving()
    files = world.machines["b"].files
    before = files["/run/nvkeep/roles"]
    files[f"/run/nvkeep/role/{SERVICE}"] = "BACKUP"
    world.make_pass("b")
    assert files["/run/nvkeep/roles"] == before


def test_a_run_directory_that_is_emptied_under_a_pass_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: Store, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/run/nvkeep/eligible/nfs")

    world = serving()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "save_flag", gone)
        report = world.make_pass("a")
    assert report is not None
    assert report.why == "/run/nvkeep/eligible/nfs is gone while this pass writes it; the next pass makes it again"
    assert world.serves("a")
    assert world.make_pass("a").settled  # type: ignore[union-attr]  # there is a report
