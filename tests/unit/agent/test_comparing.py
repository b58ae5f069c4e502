"""When hosts are compared: each change is soon known to all, and nobody logs in anywhere while nothing changes."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from nvkeep.agent.comparing import AGAIN_S, LOOK_S, OWN_S, SURE_S, Comparing
from nvkeep.checks import consistency
from nvkeep.checks.consistency import LATE_S, LONGEST_S
from nvkeep.host import Completed
from nvkeep.model.spec import Cluster
from tests.unit.checks.test_consistency import CAT, CLUSTER
from tests.unit.played import Played

NAMES = ("srv-a", "srv-b", "srv-c")
HOUR = 3600
SOON = OWN_S + 2 * LOOK_S  # until all know of a change
REST = 2 * SOON + SURE_S  # until nobody has a reason to compare any more
WAVE = 3 * 2 * 3  # logins: a change, its wave, and once more, of each on both others


@dataclass
class Server(Played):
    """A host with an agent that compares, and an sshd that counts."""

    cluster: Cluster = CLUSTER
    up: bool = True
    before: bool = False  # an nvkeep of before --no-compare
    logins: int = 0
    others: dict[str, "Server"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.comparing = Comparing(self)  # type: ignore[arg-type] # as much of a Host as is asked
        self.said[CAT] = Completed(CAT, 0, "x\n", "")

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        if argv[0] != "ssh":
            return super().run(argv, timeout)
        peer = self.others[argv[-2]]
        if not peer.up:
            return Completed(tuple(argv), 255, "", f"ssh: connect to host {peer.name} port 22: Connection refused\n")
        peer.logins += 1
        alone = consistency.ALONE in argv[-1]
        if alone and peer.before:
            return Completed(tuple(argv), 2, "", "nvkeep: error: unrecognized arguments: --no-compare\n")
        parts = consistency.answer(peer, self.cluster, alone=alone)  # type: ignore[arg-type] # as above
        return Completed(tuple(argv), 0, json.dumps({"host": peer.name, "parts": parts}), "")

    def exports(self, text: str) -> None:
        """Give it another file, which has to be the same everywhere."""
        self.said[CAT] = Completed(CAT, 0, text, "")

    def knows(self) -> bool:
        """Return whether it knows that something differs."""
        return bool(consistency.disagreements(self))  # type: ignore[arg-type] # as above


class Farm:
    """Hosts whose agents look at different moments."""

    def __init__(self, *names: str) -> None:
        cluster = replace(CLUSTER, services={"nfs": replace(CLUSTER.services["nfs"], hosts=names)})
        self.servers = [Server(name, cluster=cluster) for name in names]
        for server in self.servers:
            server.others = {other.name: other for other in self.servers if other is not server}

    def run(self, seconds: float) -> int:
        """Let time pass; give the logins."""
        before = sum(server.logins for server in self.servers)
        for _ in range(int(seconds)):
            for offset, server in enumerate(self.servers):
                server.clock += 1
                if server.up and (server.clock + 3 * offset) % LOOK_S == 0:
                    server.comparing.look(server.cluster)
        return sum(server.logins for server in self.servers) - before

    def until(self, *, known: bool) -> float:
        """Let time pass until all know, or know of nothing; give how long."""
        for seconds in range(10 * HOUR):
            if all(server.knows() is known for server in self.servers if server.up):
                return seconds
            self.run(1)
        raise AssertionError("never")


@pytest.fixture(autouse=True)
def as_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvkeep.keepalived.drifted", lambda *_: None)


def settled(*names: str) -> Farm:
    farm = Farm(*names)
    assert farm.run(REST) > 0
    assert not any(server.knows() for server in farm.servers)
    return farm


@pytest.mark.parametrize("names", [NAMES[:2], NAMES])
def test_at_rest_nobody_logs_in_anywhere(names: tuple[str, ...]) -> None:
    farm = settled(*names)
    assert farm.run(LONGEST_S - HOUR) == 0


@pytest.mark.parametrize("names", [NAMES[:2], NAMES])
@pytest.mark.parametrize("who", [0, 1])
def test_a_change_is_soon_known_everywhere_and_so_is_its_end(names: tuple[str, ...], who: int) -> None:
    farm = settled(*names)
    begun = sum(server.logins for server in farm.servers)
    farm.servers[who].exports("other\n")
    assert farm.until(known=True) <= SOON
    farm.run(HOUR)
    farm.servers[who].exports("x\n")
    assert farm.until(known=False) <= SOON
    farm.run(HOUR)
    assert sum(server.logins for server in farm.servers) - begun <= 2 * WAVE
    assert farm.run(4 * HOUR) == 0


@pytest.mark.parametrize("names", [NAMES[:2], NAMES])
@pytest.mark.parametrize("seed", [*range(40), 76])
def test_whatever_was_changed_before_a_change_all_know_how_they_are_soon_after(names: tuple[str, ...], seed: int) -> None:
    """Changes in any order and at any time, some of them while another host is comparing because of the one before."""
    farm, chance = settled(*names), random.Random(seed)  # noqa: S311 - the same schedules in every run
    for _ in range(chance.randint(2, 6)):
        chance.choice(farm.servers).exports(chance.choice(["x\n", "y\n"]))
        farm.run(chance.randint(0, 150))
    farm.run(SOON)
    files = [server.said[CAT].out for server in farm.servers]
    assert [server.knows() for server in farm.servers] == [any(mine != its for its in files) for mine in files]
    assert farm.run(REST) <= 3 * WAVE
    assert farm.run(4 * HOUR) == 0


@pytest.mark.parametrize("after", range(0, 130, 7))
@pytest.mark.parametrize("who", [0, 1])
def test_an_nvkeep_of_before_is_compared_with_and_nobody_asks_for_ever(who: int, after: int) -> None:
    farm = settled(*NAMES[:2])
    farm.servers[who].before = True
    farm.servers[1 - who].exports("mine\n")
    farm.run(after)
    farm.servers[who].exports("mine\n")  # and they agree again
    farm.run(SOON + SURE_S)
    assert not any(server.knows() for server in farm.servers)
    farm.run(REST)
    assert farm.run(4 * HOUR) == 0


def test_a_host_that_was_being_changed_differs_for_a_moment_only() -> None:
    """One has its new file already when it asks, and the other gets it a moment later, as with `nvkeep setup`."""
    farm = settled(*NAMES[:2])
    first, second = farm.servers
    first.exports("new\n")
    second.exports("half\n")
    while not first.knows():
        farm.run(1)
    second.exports("new\n")
    farm.run(2 * LOOK_S)
    assert not first.knows()


def test_a_change_on_the_other_host_alone_is_known_hours_later_at_the_latest() -> None:
    """What no host sees of itself for next to nothing: the version of a program of the storage."""
    farm = settled(*NAMES[:2])
    version = ("losetup", "--version")
    farm.servers[1].said[version] = Completed(version, 0, "losetup from util-linux 9.9\n", "")
    assert farm.until(known=True) <= LONGEST_S + SOON


def test_a_host_that_was_away_is_compared_soon_after() -> None:
    farm = settled(*NAMES[:2])
    farm.servers[1].up = False
    farm.servers[0].exports("other\n")
    farm.run(HOUR)
    assert consistency.uncompared(farm.servers[0], CLUSTER, "nfs")  # type: ignore[arg-type] # as above
    farm.servers[1].up = True
    assert farm.until(known=True) <= SOON + AGAIN_S


def test_a_record_of_hours_ago_is_no_news_and_an_older_one_is() -> None:
    farm = settled(*NAMES[:2])
    here = farm.servers[0]
    here.clock += LONGEST_S
    assert consistency.uncompared(here, CLUSTER, "nfs") == []  # type: ignore[arg-type] # as above
    here.clock += LATE_S
    (text,) = consistency.uncompared(here, CLUSTER, "nfs")  # type: ignore[arg-type] # as above
    assert text.endswith("; systemctl status nvkeep")


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", '{"boot": "another", "at": 5}', '{"boot": "boot"}', '{"boot": "boot", "at": "x"}',
        '{"boot": "boot", "at": NaN}', '{"boot": "boot", "at": 1e999}', f'{{"boot": "boot", "at": {10**400}}}',
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_read_was_not_asked(text: str) -> None:
    assert consistency.noted(Played(files={consistency.ASKED: text}), consistency.ASKED) == 0.0  # type: ignore[arg-type] # as above
