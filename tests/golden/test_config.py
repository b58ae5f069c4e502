"""Every wrong cluster.yaml with the exact words an administrator reads: NNN-name.yaml and NNN-name.txt.

A new case is a new pair of files. {backends} in the expected text stands for the backends there are, the default first.
"""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from nvkeep.cli import main
from nvkeep.config import document, parsing
from nvkeep.errors import ConfigError
from nvkeep.model.spec import Cluster
from nvkeep.reconcilers import backends

HERE = Path(__file__).parent / "config"
ROOT = Path(__file__).parents[2]
WRONG = sorted(HERE.glob("*.yaml"))
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
JARGON = (
    "pydantic",
    "Input should",
    "None ",
    "NoneType",
    "Commented",
    "dict",
    "tuple",
    "str ",
    "ruamel",
    "~nvmesh",
    "~tcp",
    "schema`",
)


def said(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parsing.parse(text, "cluster.yaml")
    return f"{caught.value}\n"


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_a_wrong_file_gives_exactly_these_messages(file: Path) -> None:
    backends_there_are = ", ".join(sorted(backends.register(), key=lambda name: (name != "nvmesh", name)))
    assert said(file.read_text()) == file.with_suffix(".txt").read_text().replace("{backends}", backends_there_are)


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_every_message_has_its_form(file: Path) -> None:
    """file:line:column: path: what is wrong; what to write instead."""
    for line in file.with_suffix(".txt").read_text().splitlines():
        name, row, column, rest = line.split(":", 3)
        assert name == "cluster.yaml"
        assert 1 <= int(row) <= len(file.read_text().splitlines() or [""])
        assert int(column) >= 1
        assert "; " in rest
        assert not [word for word in JARGON if word in rest]


def test_every_case_is_a_pair() -> None:
    assert {file.stem for file in WRONG} == {file.stem for file in HERE.glob("*.txt")}
    assert len(WRONG) >= 70


def test_the_example_that_messages_name_is_there() -> None:
    assert (ROOT / document.EXAMPLE).is_file()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_loads(file: Path) -> None:
    assert parsing.parse(file.read_text(), file.name).services


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_what_show_prints_loads_again_as_the_same(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    copy = tmp_path / "cluster.yaml"
    copy.write_text(file.read_text())
    copy.chmod(0o644)
    assert main(["show", "-f", str(copy)]) == 0
    shown = capsys.readouterr().out
    first, again = parsing.parse(file.read_text()), parsing.parse(shown)
    numbered = {name: replace(one, router_id=first.router_id(name)) for name, one in first.services.items()}
    assert again == replace(first, services=numbered)
    stream = io.StringIO()
    parsing.dump(again, stream)
    assert stream.getvalue() == shown


TOP = {"cluster", "hosts", "timing", "nvmesh", "notify", "report", "services"}


def test_the_schema_names_what_the_loader_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == set(Cluster.__dataclass_fields__) == TOP
    assert set(schema["required"]) == {"cluster", "hosts", "services"}
    service = schema["$defs"]["Service"]
    assert set(service["required"]) == {"hosts", "volumes"}
    assert service["additionalProperties"] is False
    assert len(service["properties"]["volumes"]["items"]["oneOf"]) == len(backends.register())


GOOD = {
    "anchors and merges": ("hosts: [server01, server02]", "hosts: &both [server01, server02]"),
    "a heartbeat over IPv6": ("address: 10.0.0.1}", "address: 10.0.0.1}"),
    "two volumes": ("- name: nfsvolume", "- name: nfsvolume\n      - {name: second, backend: image, file: /shared/second.img}"),
    "a mount inside a mount": ("fstype: xfs}", "fstype: xfs}\n      - {volume: nfsvolume, path: /srv/nfs/deep, fstype: xfs}"),
    "a /32": ("192.168.0.1/24", "192.168.0.1/32"),
    "a /31": ("192.168.0.1/24", "192.168.0.0/31"),
    "an IPv6 /127": ("192.168.0.1/24", '"fd00::/127"'),
    "a label of 15 bytes": ("192.168.0.1/24, interface: eth0", '192.168.0.1/24, interface: eth0, label: "eth0:nfsservers"'),
    "a unit of a template": ("nfs-server.service", "postgresql@15-main.service"),
    "a timer": ("nfs-server.service", "backup.timer"),
    "no witness": ("units:", "ping: none\n    units:"),
    "everybody who holds may be ended": ("units:", "holders: all\n    units:"),
    "nobody may be ended": ("units:", "holders: none\n    units:"),
    "a window": ("units:", 'failback: {window: "22:00-05:59"}\n    units:'),
    "a slow advert": ("services:", "timing: {advert: 40.95}\nservices:"),
    "a whole number where a number is asked for": ("services:", "timing: {advert: 1}\nservices:"),
    "no value where none is needed": ("units:", "health:\n    ping:\n    router_id:\n    units:"),
}  # fmt: skip
RIGHT = """\
cluster: pair
hosts:
  server01:
    heartbeats:
      - {interface: eth0, address: 10.0.0.1}
  server02:
    heartbeats:
      - {interface: eth0, address: 10.0.0.2}
services:
  nfs:
    hosts: [server01, server02]
    volumes:
      - name: nfsvolume
    mounts:
      - {volume: nfsvolume, path: /srv/nfs, fstype: xfs}
    addresses:
      - {address: 192.168.0.1/24, interface: eth0}
    units: [nfs-server.service]
"""


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD)
def test_what_is_right_at_the_edge(change: tuple[str, str]) -> None:
    old, new = change
    assert old in RIGHT
    assert list(parsing.parse(RIGHT.replace(old, new, 1)).services) == ["nfs"]


def test_defaults_are_those_of_the_reference() -> None:
    cluster = parsing.parse(RIGHT)
    service = cluster.services["nfs"]
    assert (service.failback, service.health, service.ping, service.router_id) == ("manual", None, None, None)
    assert service.holders == "unit"
    assert service.volumes[0].backend == "nvmesh"
    assert service.volumes[0].device == "/dev/nvmesh/nfsvolume"
    assert cluster.nvmesh.proc == "/proc/nvmeibc"
    assert 1 <= cluster.router_id("nfs") <= 255
    assert cluster.router_id("nfs") == parsing.parse(RIGHT + "timing: {advert: 1}\n").router_id("nfs")
