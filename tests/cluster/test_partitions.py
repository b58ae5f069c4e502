"""Three minutes in which networks are cut and healed; every test below looks at another service of the same story. Needs root.

`srv-a` is cut off from everything but the storage for all of the three minutes. Meanwhile `srv-c`, which the other two
servers' services are on, first loses one heartbeat network in the switch, then the other because its interface is down,
and then both.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from lab import steady
from lab.commands import LabError, until
from lab.databases import Database
from lab.steady import boottime
from tests.cluster.stage import HALF_MASTERS, MEASURED, QUIET, Stage, Watch, noticed, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.cluster import Lab
    from lab.server import Server

SERVERS = ("srv-a", "srv-b", "srv-c")
CUT_OFF = Database("pg", 1, ("srv-a", "srv-b"), ("health: {postgresql: 5432}",))
FIT = Database("fit", 2, ("srv-c", "srv-b", "srv-a"), ("health: {postgresql: 5433}",))  # with a health check
PLAIN = Database("plain", 3, ("srv-c", "srv-b"))  # without one
BLIND = Database("blind", 4, ("srv-a", "srv-b"), ("ping: none",), bare=True)  # without a witness
MINUTE = 60.0
LISTENS = 150.0  # seconds; a standby that has backed off for minutes, each time twice as long, listens again only after that
TAKEOVER = 8.0  # seconds without a row when a server is gone
PATIENCE = 10.0  # seconds a master without a health check backs off before it takes from a host that nobody hears


@dataclass
class Story:
    """What happened: clients and results by service, when each part began (CLOCK_BOOTTIME), who said what."""

    stage: Stage
    watches: dict[Database, Watch]
    parts: dict[str, float] = field(default_factory=dict)
    split_after: float | None = None

    @property
    def lab(self) -> Lab:
        """Give the lab it plays in."""
        return self.stage.lab

    def begins(self, part: str) -> None:
        """Note that a part begins."""
        self.parts[part] = boottime()

    def moves(self, one: Database, since: str, before: str | None = None) -> list[str]:
        """List the moves of a service's volume from one part to another."""
        end = self.parts[before] if before else boottime()
        return self.lab.storage.moves(one.volume, self.parts[since], end)

    def longest_gap(self, one: Database, since: str, before: str) -> float:
        """Give the longest gap of a service's client from one part to another."""
        return self.watches[one].seen().longest_gap_between(self.parts[since], self.parts[before])


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with Stage(SERVERS, CUT_OFF, FIT, PLAIN, BLIND, heartbeats=2) as stage:
        told = Story(stage, {one: stage.watch(one) for one in (CUT_OFF, FIT, PLAIN)})
        three_minutes(told)
        yield told


def three_minutes(story: Story) -> None:
    """Cut and heal; each part lasts a minute, whatever happens in it."""
    network, c = story.lab.network, story.lab["srv-c"]
    network.cut_all("srv-a")
    story.begins("one heartbeat cut")
    network.cut("srv-c", "hb0", keep_carrier=True)
    time.sleep(MINUTE)
    network.heal("srv-c", "hb0")
    story.begins("interface down")
    c.interface("hb1", up=False)
    time.sleep(MINUTE)
    c.interface("hb1", up=True)
    story.begins("one heartbeat is back")
    time.sleep(2)
    story.begins("heartbeats cut")
    network.cut_heartbeats("srv-c")
    story.split_after = seconds(lambda: says(story.lab["srv-b"], FIT, "split"), since=story.parts["heartbeats cut"])
    time.sleep(max(0.0, story.parts["heartbeats cut"] + MINUTE - boottime()))
    network.heal_all("srv-c")
    network.heal_all("srv-a")
    story.begins("healed")
    story.stage.settle(within=LISTENS)
    time.sleep(PATIENCE)
    story.begins("end")


def seconds(condition: Callable[[], bool], since: float) -> float | None:
    """Tell after how many seconds something held; None when it did not for half a minute."""
    try:
        until(condition, within=30, what="it", every=0.2)
    except LabError:
        return None
    return steady.seconds(since)


def server(story: Story, name: str) -> Server:
    return story.lab[name]


@pytest.mark.parametrize("one", [FIT, PLAIN], ids=["with health", "without health"])
@pytest.mark.parametrize(
    ("since", "before"),
    [("one heartbeat cut", "interface down"), ("interface down", "heartbeats cut")],
    ids=["one heartbeat network cut for a minute", "its interface down for a minute"],
)
def test_one_heartbeat_less_moves_nothing(story: Story, one: Database, since: str, before: str) -> None:
    assert story.moves(one, since, before) == []
    assert story.longest_gap(one, since, before) < QUIET


def test_all_heartbeats_cut_moves_nothing_where_there_is_a_health_check(story: Story) -> None:
    assert story.moves(FIT, "heartbeats cut") == []
    assert story.longest_gap(FIT, "heartbeats cut", "end") < QUIET
    MEASURED.append(f"all heartbeats cut: the other server says split after {story.split_after} s")
    assert story.split_after is not None
    assert story.split_after < PATIENCE
    assert story.stage.on(FIT).name == "srv-c"


def test_all_heartbeats_cut_costs_one_takeover_where_there_is_no_health_check(story: Story) -> None:
    assert story.moves(PLAIN, "heartbeats cut") == ["srv-b preempt", "srv-c forced"]
    assert story.moves(PLAIN, "healed") == []
    taken = next(e for e in story.lab.storage.events("attach") if (e["host"], e["volume"]) == ("srv-b", PLAIN.volume))
    assert taken.boottime - story.parts["heartbeats cut"] > PATIENCE
    assert story.longest_gap(PLAIN, "heartbeats cut", "end") < TAKEOVER
    assert story.longest_gap(PLAIN, "healed", "end") < QUIET
    story.watches[PLAIN].finish(server(story, "srv-b"))


def test_a_full_partition_costs_one_takeover(story: Story) -> None:
    watch = story.watches[CUT_OFF]
    assert watch.moves == ["srv-b preempt", "srv-a forced"]
    result = watch.finish(server(story, "srv-b"))
    assert len(result.gaps) == 1
    assert result.longest_steady_gap < TAKEOVER


def test_a_host_cut_off_from_everything_but_the_storage_takes_nothing(story: Story) -> None:
    events = story.lab.storage.events("attach", "denied")
    since = story.parts["one heartbeat cut"]
    witnessed = {CUT_OFF.volume, FIT.volume}
    assert [
        event for event in events if event.boottime > since and event["host"] == "srv-a" and event["volume"] in witnessed
    ] == []


def test_without_a_witness_a_full_partition_costs_three_takeovers_at_worst(story: Story) -> None:
    taken = [move for move in story.moves(BLIND, "one heartbeat cut") if move.endswith("preempt")]
    assert 1 <= len(taken) <= 3
    assert story.moves(BLIND, "healed") == []
    serving = story.stage.on(BLIND)
    assert [BLIND.left(each) for each in story.stage.others(BLIND)] == [[]]
    assert story.lab.storage.holder(BLIND.volume) == serving.name


def test_the_active_server_dies_while_its_heartbeats_are_cut(story: Story) -> None:
    lab, watch = story.lab, story.watches[FIT]
    lab.network.cut_heartbeats("srv-c")
    until(lambda: noticed(FIT, [lab["srv-a"], lab["srv-b"]]), within=15, what="nobody says split", every=0.2)
    died = boottime()
    lab["srv-c"].power_cut()
    until(lambda: any(FIT.serves(each) for each in lab), within=30, what="nobody takes over")
    heir = story.stage.on(FIT)
    watch.more_rows()
    lab["srv-c"].power_on()
    story.stage.settle()
    result = watch.finish(heir)
    took = (result.first_ack_after(died + 0.2) or died) - died
    MEASURED.append(f"the active server dies while its heartbeats are cut: first row {took:.2f} s after")
    assert watch.moves == [f"{heir.name} preempt"]
    assert len(result.gaps) == 1
    assert result.longest_steady_gap < TAKEOVER + HALF_MASTERS
