"""The original's commands: what they print and how they end, from a healthy pair to one that is stuck, dead or elsewhere."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module

import pytest

from nvkeep.cli import ORIGINAL
from nvkeep.errors import ConfigError, Problem
from nvkeep.host import Completed
from nvkeep.legacy import common
from nvkeep.legacy.nvkeep_manual_startup import FIRST
from nvkeep.model.override import Kind
from nvkeep.state.orders import Overrides
from tests.simulation.stories import flag, passes, serving
from tests.simulation.world import SERVICE, UNIT, Process, World, cluster, force_role

Typed = Callable[..., int]
CHECK, SHUTDOWN, STARTUP, APPLY = (
    f"nvkeep_{name}" for name in ("check_status", "clean_shutdown", "manual_startup", "apply_config")
)


class Systemd(Process):
    """A host on which systemd stops keepalived."""

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        if tuple(argv) == ("systemctl", "stop", "keepalived.service"):
            self.world.commands.append((self.name, tuple(argv), 0))
            self.machine.stop_keepalived("inactive")
            return Completed(tuple(argv), 0, "", "")
        return super().run(argv, timeout)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Type a command on a machine; give its exit code."""

    def on(world: World, name: str, command: str, *words: str) -> int:
        module = import_module(f"nvkeep.legacy.{command}")
        for one in (module, common):  # what only looks loads by itself
            monkeypatch.setattr(one, "load", lambda _: (world.cluster, Systemd(world, world.machines[name])), raising=False)
        monkeypatch.setattr("nvkeep.log.setup", lambda **_: None)
        monkeypatch.setattr("nvkeep.cli.common.others_can_write", lambda _: False)
        monkeypatch.setattr("nvkeep.status.warnings.blockers", lambda _: [])  # nobody in this world has a file open
        monkeypatch.setattr("nvkeep.keepalived.drifted", lambda *_: "")  # nor has keepalived a file
        parser = argparse.ArgumentParser()
        module.options(parser)
        return int(module.run(parser.parse_args(words)))

    return on


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    said = capsys.readouterr()
    return said.out.splitlines(), said.err


def dead() -> World:
    """Build a pair on which nothing runs, keepalived neither."""
    world = World(cluster())
    for name in ("a", "b"):
        force_role(world, name, "NONE")
        world.machines[name].stop_keepalived("inactive")
        passes(world, name, 8.0)
    world.commands.clear()
    return world


# --- nvkeep_check_status


def test_a_healthy_pair_is_not_told_that_something_is_not_ok(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert typed(world, "a", CHECK) == 0
    out, _ = printed(capsys)
    assert out[0] == "Preferred on a, this host:"
    assert out[1].startswith("nfs: ok: ")
    assert out[2:6] == ["  [OK] VOLUME: vol", "  [OK] MOUNTPOINT: /srv/nfs", *out[4:6]]
    assert out[4].startswith("  [OK] FLOATING IP: sv0 ")
    assert out[5] == f"  [OK] SERVICE: {UNIT}"
    assert out[6:] == ["keepalived:", "  [OK] SERVICE: keepalived"]
    assert typed(world, "b", CHECK) == 0
    out, _ = printed(capsys)
    assert out[:3] == ["Preferred on b, this host:", "  none", "Preferred on a, a peer:"]
    assert [line.split()[0] for line in out[4:8]] == ["[--]"] * 4
    assert not any("NOT OK" in line for line in out)


def test_only_what_is_asked_for_is_shown(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    for words, headings in {("-l",): ["Preferred on a"], ("-p",): [], ("-l", "-p"): ["Preferred on a", "keepalived:"]}.items():
        assert typed(world, "a", CHECK, *words) == 0
        out, _ = printed(capsys)
        assert [line.partition(",")[0] for line in out if line.endswith(":")] == headings, words
    assert typed(world, "b", CHECK, "-p") == 0
    assert "Preferred on a, a peer:" in printed(capsys)[0]


def test_after_a_good_failover_both_hosts_are_well(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN, "-l") == 0
    force_role(world, "a", "FAULT")
    force_role(world, "b", "MASTER")
    passes(world, "b", 3.0)
    passes(world, "a", 3.0)
    force_role(world, "a", "BACKUP")
    passes(world, "a", 3.0)
    capsys.readouterr()
    assert (typed(world, "a", CHECK), typed(world, "b", CHECK)) == (0, 0)


def test_what_should_be_here_and_is_not_is_exit_code_1_on_either_host(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    world.machines["a"].units[UNIT].kill()
    assert typed(world, "a", CHECK) == 1
    assert any(line.startswith(f"  [NOT OK] SERVICE: {UNIT}") for line in printed(capsys)[0])
    moved = serving()
    moved.machines["a"].power_cut()
    force_role(moved, "b", "MASTER")
    passes(moved, "b", 20.0)
    moved.machines["b"].units[UNIT].kill()
    assert typed(moved, "b", CHECK, "-p") == 1


def test_a_volume_is_detached_or_disabled(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    world.machines["a"].attached["vol"].io_at = 1e9
    assert typed(world, "a", CHECK) == 1
    assert any(line.startswith("  [NOT OK, disabled] VOLUME: vol") for line in printed(capsys)[0])
    new = World(cluster())
    force_role(new, "a", "MASTER")
    assert typed(new, "a", CHECK) == 1
    assert any(line.startswith("  [NOT OK, detached] VOLUME: vol") for line in printed(capsys)[0])


def test_nobody_serves_is_never_called_fine(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(dead(), "a", CHECK) == 1
    out, _ = printed(capsys)
    assert "  [NOT OK] SERVICE: keepalived  (inactive; systemctl start keepalived)" in out


# --- nvkeep_clean_shutdown


def test_a_clean_shutdown_lets_go_in_order_and_of_keepalived_last(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN) == 0
    out, err = printed(capsys)
    titles = ["SERVICE", "FLOATING IP", "MOUNTPOINT", "VOLUME"]
    assert [line.partition(":")[0] for line in out] == [
        *(f"* Stopping {one}" for one in titles),
        "* Stopping keepalived",
        "All done.",
    ]
    assert err == ""
    assert world.clean("a")
    assert world.commands[-1][1] == ("systemctl", "stop", "keepalived.service")
    assert not world.violations
    force_role(world, "b", "MASTER")
    passes(world, "b", 3.0)
    assert world.serves("b")
    assert not any("--preempt" in argv for _, argv, _ in world.commands)


def test_after_it_a_keepalived_that_is_started_may_have_the_service_again(typed: Typed) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN) == 0
    passes(world, "a", 20.0)
    assert world.clean("a")
    world.machines["a"].synced = dict(world.machines["a"].files)  # an orderly reboot: everything is on the disk
    world.machines["a"].power_cut()
    world.machines["a"].power_on()
    force_role(world, "a", "MASTER")
    passes(world, "a", 3.0)
    assert world.serves("a")  # or nobody would, where both hosts were shut down


@pytest.mark.parametrize("words", [("-l",), ("-l", "-p")])
def test_with_an_option_keepalived_goes_on_and_the_host_stands_away(words: tuple[str, ...], typed: Typed) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN, *words) == 0
    assert not any("keepalived.service" in argv for _, argv, _ in world.commands)
    passes(world, "a", 60.0)
    assert world.clean("a")
    assert not flag(world, "a")
    assert typed(world, "a", STARTUP, "-l") == 0
    assert world.serves("a")


def test_what_the_option_does_not_mean_is_left_alone(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN, "-p") == 0
    assert printed(capsys)[0] == ["All done."]
    assert world.serves("a")
    assert not world.commands


def test_the_peer_gives_back_and_the_returned_host_takes_a_free_volume(typed: Typed) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN) == 0
    force_role(world, "b", "MASTER")
    passes(world, "b", 3.0)
    passes(world, "a", 3.0)
    assert typed(world, "b", SHUTDOWN, "-p") == 0
    assert world.clean("b")
    force_role(world, "b", "FAULT")
    world.machines["a"].start_keepalived()
    force_role(world, "a", "MASTER")
    passes(world, "a", 3.0)
    assert world.serves("a")
    assert not any("--preempt" in argv for _, argv, _ in world.commands)
    passes(world, "b", 3.0)
    assert Overrides(Process(world, world.machines["b"])).read(Kind.AWAY, SERVICE) is None


def test_what_is_stuck_is_named_keeps_what_it_stands_on_and_keepalived(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    world = serving()
    world.machines["a"].units[UNIT].immortal = True
    assert typed(world, "a", SHUTDOWN) == 1
    out, err = printed(capsys)
    assert "All done." not in out
    assert err.splitlines()[-1] == "All done, but errors were encountered."
    assert "  blocked volume vol: waits for " in err
    assert "  blocked mount /srv/nfs: waits for " in err
    assert f"  converging service {UNIT}: " in err
    assert "nvkeep status nfs" in err
    assert world.machines["a"].holds("vol")
    assert not any(argv[0].startswith("nvmesh_detach") for _, argv, _ in world.commands)
    assert not any("keepalived.service" in argv for _, argv, _ in world.commands)


def test_typed_again_there_is_nothing_to_do(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN) == 0
    capsys.readouterr()
    assert typed(world, "a", SHUTDOWN) == 0
    assert printed(capsys)[0] == ["* Nothing of nfs is on this host", "* Stopping keepalived", "All done."]


# --- nvkeep_manual_startup


def test_a_start_by_hand_needs_no_keepalived_and_lasts(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = dead()
    assert typed(world, "a", STARTUP) == 0
    out, err = printed(capsys)
    titles = ["VOLUME", "MOUNTPOINT", "FLOATING IP", "SERVICE"]
    assert [line.partition(":")[0] for line in out if line != FIRST] == [*(f"* Starting {one}" for one in titles), "All done."]
    assert FIRST in out
    assert err == ""
    assert world.serves("a")
    passes(world, "a", 60.0)
    passes(world, "b", 60.0)
    assert world.serves("a")
    assert not any("--preempt" in argv for _, argv, _ in world.commands)


def test_a_start_by_hand_typed_twice_changes_nothing(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = dead()
    assert typed(world, "a", STARTUP) == 0
    world.commands.clear()
    capsys.readouterr()
    assert typed(world, "a", STARTUP) == 0
    assert printed(capsys)[0] == ["* All of nfs is here already", FIRST, "All done."]
    assert not world.changes(0)


@pytest.mark.parametrize(("words", "code"), [((), 0), (("-p",), 1)])
def test_nothing_is_taken_from_a_host_that_serves(
    words: tuple[str, ...], code: int, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    world = serving()
    assert typed(world, "b", STARTUP, *words) == code
    out, err = printed(capsys)
    said = "nfs: a serves it, and it stays there; to have it here: nvkeep move nfs --to b"
    assert said in (err.splitlines() if code else out)
    assert world.serves("a")
    assert world.clean("b")
    assert not any("--preempt" in argv for _, argv, _ in world.commands)


def test_what_prefers_this_host_and_is_served_elsewhere_is_an_error(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = serving()
    assert typed(world, "a", SHUTDOWN, "-l") == 0
    force_role(world, "a", "FAULT")
    force_role(world, "b", "MASTER")
    passes(world, "b", 3.0)
    capsys.readouterr()
    assert typed(world, "a", STARTUP) == 1
    assert "nfs: b serves it" in printed(capsys)[1]
    assert world.serves("b")


def test_what_does_not_start_is_named(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    world = dead()
    world.machines["a"].units[UNIT].fails = 1000
    world.machines["a"].units[UNIT].start_takes = 0.0
    assert typed(world, "a", STARTUP) == 1
    out, err = printed(capsys)
    assert "All done." not in out
    assert UNIT in err
    assert "nvkeep reset nfs" in err
    assert err.splitlines()[-1] == "All done, but errors were encountered."


# --- nvkeep_apply_config


@pytest.mark.parametrize(("code", "mine", "last"), [(0, 0, "All done."), (1, 1, ""), (3, 1, ""), (4, 1, ""), (2, 2, "")])
def test_it_is_done_only_when_every_host_is(
    code: int, mine: int, last: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def setup(words: list[str]) -> int:
        asked.append(words)
        return code

    monkeypatch.setattr("nvkeep.cli.main", setup)
    monkeypatch.setattr("nvkeep.config.load", lambda _: cluster())
    module = import_module("nvkeep.legacy.nvkeep_apply_config")
    assert module.run(argparse.Namespace(file="cluster.yaml")) == mine
    out, err = printed(capsys)
    assert asked == [["setup", "--yes", "-f", "cluster.yaml"]]
    assert out[0] == "* Checking cluster.yaml"
    assert (out[-1] == "All done.") == bool(last)
    assert ("All done, but errors were encountered." in err) == (code in (1, 3, 4))


def test_a_wrong_cluster_yaml_sets_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_: str) -> None:
        raise ConfigError("cluster.yaml", [Problem(1, 1, "", "wrong; fix it")])

    monkeypatch.setattr("nvkeep.cli.main", lambda _: pytest.fail("it went on"))
    monkeypatch.setattr("nvkeep.config.load", wrong)
    with pytest.raises(ConfigError):
        import_module("nvkeep.legacy.nvkeep_apply_config").run(argparse.Namespace(file="cluster.yaml"))


def test_each_command_is_a_module() -> None:
    assert sorted(ORIGINAL, key=[CHECK, SHUTDOWN, STARTUP, APPLY].index) == [CHECK, SHUTDOWN, STARTUP, APPLY]
