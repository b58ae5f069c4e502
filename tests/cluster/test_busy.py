"""A file system that is not released: who holds it is told, ended where the policy allows, and the volume waits. Needs root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lab import protected, steady
from lab.cluster import Lab
from lab.commands import until
from lab.network import FLOATING
from lab.steady import boottime
from tests.cluster.conftest import ATTACHED, Pair, assert_clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

PATH, UNIT = protected.PATH, protected.UNIT
DROP_IN = f"/etc/systemd/system/{UNIT}.d/leftover.conf"
# A process of the unit's own that its stop leaves behind.
LEFTOVER = f"[Service]\nKillMode=process\nExecStartPost=+/bin/sh -c 'cd {PATH} && exec setsid --fork sleep 7777'\n"
# Twenty who are each replaced at once: while the last is being killed, the first are back.
SWARM = f"for i in $(seq 20); do while :; do (cd {PATH} && exec sleep 99); done & done; wait"
STUCK = 5  # exit code of nvkeep apply
TAKE = ("nvmesh_attach_volumes", "--preempt", "--access", "EXCLUSIVE_READ_WRITE", "--json", "vol1")


def lab(policy: str, drop_in: str = "") -> Lab:
    def prepare(server: Server) -> None:
        protected.prepare(server)
        if drop_in:
            server.write(DROP_IN, drop_in)

    return Lab(config=f"{protected.config(reconcile=4)}    holders: {policy}\n", prepare=prepare)


@pytest.fixture
def busy(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with lab(*request.param) as made:
        yield Pair(made)


def squat(server: Server, *command: str, unit: str = "squatter", **properties: str) -> None:
    """Let a unit that is none of the service's work in the file system."""
    told = [f"--property={key}={value}" for key, value in {"WorkingDirectory": PATH, **properties}.items()]
    server.run(("systemd-run", f"--unit={unit}", "--quiet", *told, *(command or ("sleep", "8888"))))


def keep_away(server: Server) -> None:
    """Let a server take nothing, whatever keepalived says."""
    server.run(("nvkeep", "role", "pg", "--set", "BACKUP"))


def let_take(server: Server) -> None:
    server.run(("nvkeep", "role", "pg", "--unset"))


def hand_over(pair: Pair) -> None:
    """Let the holder release; the other waits for that, however silent the address is meanwhile."""
    keep_away(pair.other)
    pair.active.run(("systemctl", "stop", "keepalived"))
    until(lambda: not pair.active.path(ATTACHED).exists(), within=30, what="it was not released")
    let_take(pair.other)


def stuck(server: Server) -> bool:
    return (
        "pg on " in (said := server.run(("nvkeep", "status", "--local"), check=False).stdout)
        and f"{server.name}: stuck" in said
    )


def mount_line(server: Server) -> str:
    """Give what `nvkeep status` says of the mount."""
    (one,) = json.loads(server.run(("nvkeep", "status", "--json"), check=False).stdout)
    (mount,) = [line for line in one["lines"] if line["title"] == "MOUNTPOINT"]
    return str(mount["reason"])


def actions(server: Server) -> str:
    return server.read("/var/log/nvkeep/actions.log")


def main_pid(server: Server, unit: str) -> str:
    return server.run(("systemctl", "show", "-p", "MainPID", "--value", unit)).stdout.strip()


@pytest.mark.parametrize("busy", [("unit",)], indirect=True)
def test_stuck_is_told_and_the_volume_stays_until_the_holder_is_gone(busy: Pair) -> None:
    holder, heir = busy.active, busy.other
    squat(holder)
    pid = main_pid(holder, "squatter.service")
    early = holder.run(("nvkeep", "status", "--local"), check=False)
    assert early.returncode == 0
    assert f"! {PATH}: pid {pid} (sleep) of squatter.service works in {PATH} (would block a release" in early.stdout
    told = holder.run(("nvkeep", "holders"), check=False)
    assert told.returncode == 1
    assert "of postgresql@15-main.service" in told.stdout
    keep_away(heir)
    holder.run(("systemctl", "stop", "keepalived"))
    until(lambda: stuck(holder), within=40, what="it is not stuck")
    said = holder.run(("nvkeep", "status", "--local"), check=False)
    assert said.returncode == 2
    for word in (f"pid {pid} (/usr/bin/sleep 8888)", "of squatter.service", PATH, "systemctl stop squatter.service"):
        assert word in said.stdout
    assert holder.run(("nvkeep", "apply"), check=False, timeout=60).returncode == STUCK
    assert busy.lab.storage.holder() == holder.name
    assert holder.path(ATTACHED).exists()
    assert FLOATING not in protected.addresses(holder)
    assert not protected.active(holder)
    assert holder.read("/run/nvkeep/eligible/pg").strip() == "0"
    assert "SIG" not in actions(holder)
    assert f"{PATH}: held by: pid {pid} (/usr/bin/sleep 8888) of squatter.service works in {PATH}" in actions(holder)
    holder.run(("systemctl", "stop", "squatter.service"))
    until(lambda: not holder.path(ATTACHED).exists(), within=30, what="the next pass did not finish")
    assert_clean(holder)
    let_take(heir)
    busy.finish(heir, clean=holder)
    assert busy.taken() == [f"{heir.name} plain"]


@pytest.mark.parametrize("busy", [("all",)], indirect=True)
def test_all_hands_over_whoever_holds_it(busy: Pair) -> None:
    holder, heir = busy.active, busy.other
    squat(holder, Restart="always", RestartSec="100ms")
    holder.run(("mkdir", "-p", f"{PATH}/nested", "/mnt/bound"))
    holder.run(("mount", "-t", "tmpfs", "nested", f"{PATH}/nested"))
    holder.run(("mount", "--bind", PATH, "/mnt/bound"))
    squat(holder, unit="apart", PrivateMounts="yes", MountFlags="private", WorkingDirectory="/")
    hand_over(busy)
    for step in (f"`umount {PATH}/nested`: done", "`umount /mnt/bound`: done", "SIGTERM to pid", f"{PATH} is released"):
        assert step in actions(holder)
    busy.finish(heir, clean=holder)
    assert busy.taken() == [f"{heir.name} plain"]


@pytest.mark.parametrize("busy", [("unit", LEFTOVER)], indirect=True)
def test_unit_ends_what_a_unit_of_its_own_left_behind(busy: Pair) -> None:
    holder, heir = busy.active, busy.other
    assert "sleep 7777" in holder.run(("ps", "ax")).stdout
    assert "! /srv" not in holder.run(("nvkeep", "status", "--local"), check=False).stdout
    hand_over(busy)
    assert f"(sleep 7777) of {UNIT} works in {PATH}" in actions(holder)
    busy.finish(heir, clean=holder)
    assert busy.taken() == [f"{heir.name} plain"]


@pytest.mark.parametrize("busy", [("none", LEFTOVER)], indirect=True)
def test_none_ends_nobody_and_serves_again_when_the_carrier_is_back(busy: Pair) -> None:
    holder, dead = busy.active, busy.other
    dead.power_cut()
    holder.interface("host0", up=False)
    until(lambda: stuck(holder), within=40, what="it is not stuck")
    assert "SIG" not in actions(holder)
    assert "sleep 7777" in holder.run(("ps", "ax")).stdout
    assert holder.path(ATTACHED).exists()
    holder.interface("host0", up=True)
    busy.wait_serving(holder)
    busy.more_rows()
    busy.writer.stop()
    assert busy.writer.lost() == 0
    assert busy.taken() == []


@pytest.mark.parametrize("busy", [("all",)], indirect=True)
def test_those_who_come_back_at_once_are_stuck_until_they_are_stopped(busy: Pair) -> None:
    holder, heir = busy.active, busy.other
    squat(holder, "sh", "-c", SWARM, WorkingDirectory="/")
    keep_away(heir)
    holder.run(("systemctl", "stop", "keepalived"))
    until(lambda: stuck(holder), within=60, what="it is not stuck")
    said = holder.run(("nvkeep", "status", "--local"), check=False).stdout
    assert "it was killed, and is back" in said
    assert "systemctl stop squatter.service" in said
    assert holder.path(ATTACHED).exists()
    holder.run(("systemctl", "stop", "squatter.service"))
    until(lambda: not holder.path(ATTACHED).exists(), within=30, what="the next pass did not finish")
    let_take(heir)
    busy.finish(heir, clean=holder)


@pytest.mark.parametrize("busy", [("unit",)], indirect=True)
def test_a_stuck_holder_that_is_seized_from_isolates_itself(busy: Pair) -> None:
    loser, thief = busy.active, busy.other
    squat(loser)
    begun = boottime()
    thief.run(TAKE, check=False)
    until(lambda: FLOATING not in protected.addresses(loser) and not protected.active(loser), within=10, what="it kept on")
    busy.wait_serving(thief)
    assert steady.seconds(begun) < 20
    until(lambda: "of squatter.service" in mount_line(loser), within=30, what="it does not tell who holds the mount")
    assert loser.path(ATTACHED).exists()
    loser.run(("systemctl", "stop", "squatter.service"))
    until(lambda: not loser.path(ATTACHED).exists(), within=30, what="the next pass did not finish")
    busy.finish(thief, clean=loser)
