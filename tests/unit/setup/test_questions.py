"""The questions that make a cluster.yaml: wrong answers are refused at once, and what is written is right."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nvkeep import config
from nvkeep.config import parsing
from nvkeep.errors import NotHere
from nvkeep.host import Completed, LocalHost
from nvkeep.model.spec import BACKENDS
from nvkeep.setup.questions import Interview, health, interview, needed
from nvkeep.setup.talk import Talk, drop, put
from nvkeep.setup.template import flow, written

LINKS = {
    "server01": {"lo": "127.0.0.1/8", "eth0": "10.0.0.1/24", "ib0": "192.168.0.11/24"},
    "server02": {"lo": "127.0.0.1/8", "ens3": "10.0.0.2/24", "ib0": "192.168.0.12/24"},
}


class Seen(LocalHost):
    """server01, from which server02 can be seen by ssh, and a third host cannot."""

    def __init__(self) -> None:
        super().__init__("server01")

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:  # noqa: ARG002 - the protocol's
        if argv[0] == "ip":
            return Completed(tuple(argv), 0, shown("server01"), "")
        if argv[0] == "ssh":
            there = argv[-2] in LINKS
            return Completed(tuple(argv), 0 if there else 255, shown(argv[-2]) if there else "", "ssh: no such host")
        if argv[0] == "blkid":
            return Completed(tuple(argv), 0, "ext4\n", "")
        return Completed(tuple(argv), 0 if argv[0] == "drbdadm" else 127, "", "")


def shown(name: str) -> str:
    links = [
        {"ifname": interface, "addr_info": [{"local": one.split("/")[0], "prefixlen": int(one.split("/")[1])}]}
        for interface, one in LINKS[name].items()
    ]
    return json.dumps(links)


class Person(Talk):
    """Somebody who answers what is asked, in the words of a list; an empty answer takes the default."""

    def __init__(self, *answers: str) -> None:
        self.left, self.heard = list(answers), [""]
        super().__init__(self.answer, self.heard.append)

    def answer(self, prompt: str) -> str:
        self.heard.append(prompt)
        if not self.left:
            raise EOFError
        return self.left.pop(0)

    def said(self) -> str:
        return "\n".join(self.heard)


ANSWERS = ["nfs-pair", "server02", *[""] * 9, "nfs", "nvmesh", "vol1", "", "xfs", "192.168.0.1/24", "",
           "nfs-server.service", "2049", ""]  # fmt: skip


def test_defaults_come_from_what_the_hosts_have(tmp_path: Path) -> None:
    person, path = Person(*ANSWERS), tmp_path / "cluster.yaml"
    interview(Seen(), str(path), person)
    assert person.left == []
    cluster = config.load(str(path))
    assert {
        name: [(beat.interface, str(beat.address)) for beat in host.heartbeats] for name, host in cluster.hosts.items()
    } == {
        "server01": [("eth0", "10.0.0.1"), ("ib0", "192.168.0.11")],
        "server02": [("ens3", "10.0.0.2"), ("ib0", "192.168.0.12")],
    }
    service = cluster.services["nfs"]
    assert (service.hosts, service.volumes[0].name, service.mounts[0].path) == (("server01", "server02"), "vol1", "/srv/nfs")
    assert [(str(one.address), one.interface) for one in service.addresses] == [("192.168.0.1/24", "ib0")]
    assert (service.units, service.health and service.health.plain()) == (("nfs-server.service",), {"nfs": 2049})
    assert "Backend of its volume (device, drbd, image, nvme, nvmesh, scsi) [drbd]" in person.said()
    assert "type of the file system [ext4]" in person.said()
    assert path.read_text().count("#") > 8
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("at", "wrong", "refusal"),
    [
        (0, "7up", '"7up" is not a cluster name; use up to 31 letters'),
        (
            1,
            "server_2",
            '"server_2" is not a host name; an underscore is not allowed in one: hostnamectl set-hostname server-2',
        ),
        (1, "server01", "has only server01; write one or more other hosts"),
        (2, "eth 0", '"eth 0" is not an interface name'),
        (3, "10.0.0.1/24", '"10.0.0.1/24" is not an IP address; write it without a prefix'),
        (5, "10.0.0.1", 'heartbeat address "10.0.0.1" is already used by host server01; write this host\'s own'),
        (11, "1nfs", '"1nfs" is not a service name'),
        (12, "floppy", '"floppy" is not known; write one of: nvmesh, '),
        (13, "e_x", '"e_x" is not a volume name'),
        (14, "/etc", '"/etc" belongs to the system; choose a directory of the service\'s own'),
        (15, "XFS!", '"XFS!" is not a file system type'),
        (16, "192.168.0.1", '"192.168.0.1" has no prefix length; write 192.168.0.1/24'),
        (16, "10.0.0.2/24", "address 10.0.0.2 is the heartbeat of host server02"),
        (17, "this-is-far-too-long", '"this-is-far-too-long" is not an interface name'),
        (18, "nfs-server", '"nfs-server" is not a unit that can be kept running; write "nfs-server.service"'),
        (18, "x.service x.service", 'unit "x.service" is already used'),
        (19, "99999", "99999 is too large; write 65535 or less"),
    ],
)
def test_a_wrong_answer_is_refused_at_once_with_what_to_write(tmp_path: Path, at: int, wrong: str, refusal: str) -> None:
    person = Person(*ANSWERS[:at], wrong, *ANSWERS[at:])
    interview(Seen(), str(tmp_path / "cluster.yaml"), person)
    assert refusal in person.said()
    assert person.left == []
    assert config.load(str(tmp_path / "cluster.yaml")).cluster == "nfs-pair"


def test_what_a_backend_needs_is_asked_and_what_does_not_fit_together_is_asked_again(tmp_path: Path) -> None:
    volume = ["nvme", "bad name", "/srv/x", "nvme", "db", "/dev/disk/by-id/nvme-1"]
    person = Person(*ANSWERS[:12], *volume, *ANSWERS[14:])
    interview(Seen(), str(tmp_path / "cluster.yaml"), person)
    assert '"bad name" is not a volume name; use letters, digits, - and _' in person.said()
    assert config.load(str(tmp_path / "cluster.yaml")).services["nfs"].volumes[0].device == "/dev/disk/by-id/nvme-1"


def test_what_is_optional_may_be_none(tmp_path: Path) -> None:
    answers = ["c", "server09", "eth0", "10.0.0.1", "eth0", "10.0.0.9", "none", "s", "drbd", "v", "r0", "none",
               "10.0.0.5/24", "", "none", "none", "y"]  # fmt: skip
    person = Person(*answers)
    interview(Seen(), str(tmp_path / "cluster.yaml"), person)
    service = config.load(str(tmp_path / "cluster.yaml")).services["s"]
    assert (service.mounts, service.units, service.health, service.addresses[0].interface) == ((), (), None, "eth0")
    assert "the addresses of server09 cannot be seen from here (ssh server09 true)" in person.said()


@pytest.mark.parametrize("answers", [ANSWERS[:7], [*ANSWERS[:-1], "n"], []])
def test_whoever_does_not_answer_to_the_end_or_says_no_has_no_file(tmp_path: Path, answers: list[str]) -> None:
    with pytest.raises(NotHere, match="nothing was written"):
        interview(Seen(), str(tmp_path / "cluster.yaml"), Person(*answers))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["true", "no", "null", "e1", "None", "y"])
def test_names_that_yaml_would_read_as_something_else_are_put_in_quotes(name: str) -> None:
    person = Person(name, *ANSWERS[1:11], name, *ANSWERS[12:])
    one = Interview(Seen(), person)
    one.everything()
    cluster = parsing.parse(written(one.talk.document, "x"))
    assert (cluster.cluster, list(cluster.services)) == (name, [name])


@pytest.mark.parametrize(
    "value",
    ["plain", "two words", "a: b", "#x", "'", '"', "é", "1e5", "0x1f", "-", "fd00::1/64", "{", "*a", "@a", ".inf", ".NaN"],
)
def test_every_text_is_read_as_it_was_meant(value: str) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415 - an independent reader

    assert YAML(typ="safe").load(flow({"x": [value]})) == {"x": [value]}


def test_health_is_a_port_or_a_command() -> None:
    assert health("tcp", "2049") == {"tcp": 2049}
    assert health("nfs", "2049") == {"nfs": 2049}
    assert health("nfs", "/bin/check 'a b'") == {"command": ["/bin/check", "a b"]}
    assert health("tcp", "/bin/check 'a") == {"command": ["/bin/check", "'a"]}


def test_every_backend_can_be_asked_for() -> None:
    parsing.parse((Path(__file__).parents[2] / "golden" / "keepalived" / "cluster.yaml").read_text())
    assert {name: needed(name) for name in BACKENDS} == {
        "device": ["path"], "drbd": ["resource"], "image": ["file"], "nvme": ["namespace"], "nvmesh": [], "scsi": ["disk"],
    }  # fmt: skip


def test_putting_and_dropping() -> None:
    document: dict[str, Any] = {}
    put(document, ("a", "b", 1, "c"), 5)
    assert document == {"a": {"b": [None, {"c": 5}]}}
    put(document, ("a", "b", 1, "c"), 6)
    put(document, ("a", "b", 0), 7)
    assert document == {"a": {"b": [7, {"c": 6}]}}
    drop(document, ("a", "b"))
    assert document == {"a": {}}


PROGRAM = """
import sys
from nvkeep.errors import NotHere
from nvkeep.setup.questions import interview
from tests.unit.setup.test_questions import Seen
try:
    interview(Seen(), sys.argv[1])
except NotHere as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize(("last", "code"), [("y", 0), ("\x04", 2)])
def test_on_a_real_terminal(tmp_path: Path, last: str, code: int) -> None:
    """Answer on a pseudo-terminal, with one wrong answer on the way; Ctrl-D at the end instead of a yes writes nothing."""
    path = tmp_path / "cluster.yaml"
    answers = "\n".join([*ANSWERS[:1], "server_2", *ANSWERS[1:-1]]) + "\n" + (last if last == "\x04" else f"{last}\n")
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(Path(__file__).parents[3])
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(path)])  # noqa: S606 - pty.fork wants it
    os.write(terminal, answers.encode())
    seen = b"".join(iter(lambda: read(terminal, 30.0), b""))
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code, seen.decode()
    assert b"server_2" in seen
    assert path.exists() is (code == 0)


def read(terminal: int, within: float) -> bytes:
    """Read what a program writes on its terminal; empty when it has ended, or says nothing for too long."""
    if not select.select([terminal], [], [], within)[0]:
        return b""
    try:
        return os.read(terminal, 4096)
    except OSError:  # its end takes the terminal away
        return b""
