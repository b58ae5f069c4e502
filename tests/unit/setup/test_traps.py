"""No answer to a question of `nvkeep setup` is a trap: there is a way on, and nothing is wrong only at the end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from nvkeep import config
from nvkeep.errors import CommandTimeout
from nvkeep.host import Completed
from nvkeep.model.spec import Cluster
from nvkeep.setup.questions import interview
from tests.unit.setup.test_questions import ANSWERS, LINKS, Person, Seen

HEAD, REST = ANSWERS[:2], ANSWERS[11:]
DOCKER = {"docker0": "172.17.0.1/16"}
TRIES = ["server02", "server03", "eth0", "ib0", "eth1", "10.0.0.1", "10.0.0.2", "192.168.0.11", "192.168.0.12",
          "192.168.0.12/24", "fd00::1", "fd00::2", "nfs", "a", "vol1", "drbd", "nvmesh", "image", "device", "nvme", "scsi",
          "/srv/nfs", "/srv/x.img", "r0", "/dev/sdb", "/dev/sdc", "xfs", "192.168.0.1/24", "10.0.0.9/24", "fd00::9/64",
          "a.service", "x.timer", "80", "true", "y", "n", "none", "none", "@x", ".inf", "1e3", "0x1f", "bad_name"]  # fmt: skip


def answered(path: Path, *answers: str, host: Seen | None = None) -> tuple[Cluster, str]:
    person = Person(*answers)
    interview(host or Seen(), str(path / "cluster.yaml"), person)
    assert person.left == []
    return config.load(str(path / "cluster.yaml")), person.said()


def beats(cluster: Cluster) -> dict[str, list[str]]:
    return {name: [f"{beat.interface} {beat.address}" for beat in host.heartbeats] for name, host in cluster.hosts.items()}


ONE = {"server01": ["eth0 10.0.0.1"], "server02": ["ens3 10.0.0.2"]}


@pytest.mark.parametrize("there", [{}, DOCKER])
def test_a_network_that_is_not_the_same_on_all_hosts_is_not_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: dict[str, str]
) -> None:
    """docker0 and virbr0 have one and the same address everywhere."""
    monkeypatch.setitem(LINKS, "server01", {"eth0": "10.0.0.1/24", **DOCKER})
    monkeypatch.setitem(LINKS, "server02", {"ens3": "10.0.0.2/24", **there})
    cluster, said = answered(tmp_path, *HEAD, *[""] * 5, *REST[:-4], "eth0", *REST[-3:])
    assert beats(cluster) == ONE
    assert "Another heartbeat network: interface on server01, or none [none]" in said


def test_where_the_others_cannot_be_seen_what_this_host_has_is_proposed_once(tmp_path: Path) -> None:
    answers = [*[""] * 2, "eth0", "10.0.0.2", "", *REST]
    cluster, said = answered(tmp_path, "nfs-pair", "server09", *answers)
    assert beats(cluster) == {"server01": ["eth0 10.0.0.1"], "server09": ["eth0 10.0.0.2"]}
    assert "Heartbeat interface on server09: " in said


def test_the_first_network_that_all_hosts_have_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LINKS, "server01", {**DOCKER, **LINKS["server01"]})
    monkeypatch.setitem(LINKS, "server02", {**DOCKER, **LINKS["server02"]})
    assert beats(answered(tmp_path, *ANSWERS)[0])["server01"] == ["eth0 10.0.0.1", "ib0 192.168.0.11"]


@pytest.mark.parametrize("out", [["none"], ["docker0", "", "none"], ["docker0", "none"], ["eth7", "172.17.0.1", "none"]])
def test_none_on_any_host_leaves_the_network_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: list[str]) -> None:
    """Its address is refused as used, and an empty line does not ask for it again and again."""
    monkeypatch.setitem(LINKS, "server01", {"eth0": "10.0.0.1/24", **DOCKER})
    monkeypatch.setitem(LINKS, "server02", {"ens3": "10.0.0.2/24", **DOCKER})
    cluster, said = answered(tmp_path, *HEAD, *[""] * 4, "docker0", "", *out, "", *REST[:-4], "eth0", *REST[-3:])
    assert beats(cluster) == ONE
    assert "without server02 it does not reach all hosts, so it is left out" in said
    assert said.count("[172.17.0.1]") <= 2


def test_after_a_network_that_was_left_out_another_one_may_come(tmp_path: Path) -> None:
    cluster, _ = answered(tmp_path, *HEAD, *[""] * 4, "eth7", "10.7.0.1", "none", *[""] * 5, *REST)
    assert beats(cluster)["server01"] == ["eth0 10.0.0.1", "ib0 192.168.0.11"]


def test_the_address_of_another_host_is_refused_where_it_is_typed(tmp_path: Path) -> None:
    """The file would name it wrong at the other host, which was asked before."""
    cluster, said = answered(tmp_path, *HEAD, *[""] * 4, "ib0", "10.0.0.2", "192.168.0.11", "", "", "none", *REST)
    assert beats(cluster)["server01"][1] == "ib0 192.168.0.11"
    assert (
        '  hosts.server02.heartbeats.0.address: heartbeat address "10.0.0.2" is already used by host server01; '
        "write this host's own\n  its address on server01"
    ) in said


class Hanging(Seen):
    """A host on which a device is dead: whoever asks it does not come back."""

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        if argv[0] in ("blkid", "drbdadm"):
            raise CommandTimeout(argv, timeout)
        return super().run(argv, timeout)


def test_what_hangs_has_no_default_and_ends_nothing(tmp_path: Path) -> None:
    said = answered(tmp_path, *ANSWERS, host=Hanging())[1]
    assert "type of the file system [xfs]" in said
    assert "scsi) [nvmesh]" in said


class Whoever(Person):
    """Somebody who answers anything, and writes what comes of it."""

    def answer(self, prompt: str) -> str:
        return "y" if prompt.startswith("Write this") else super().answer(prompt)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_answered_what_is_accepted_makes_a_right_file(tmp_path: Path, seed: int) -> None:
    """A ConfigError after the last question takes all answers with it."""
    person = Whoever(*random.Random(seed).choices(["", "", *TRIES], k=5000))  # noqa: S311 - no secret
    interview(Seen(), str(tmp_path / "cluster.yaml"), person)
    config.load(str(tmp_path / "cluster.yaml"))
