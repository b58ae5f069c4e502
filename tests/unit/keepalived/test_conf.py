"""keepalived.conf against golden files, and keepalived's JSON -> words."""

import json
from pathlib import Path

import pytest

from nvkeep.config import parsing
from nvkeep.errors import NotHere
from nvkeep.keepalived import Build, Version, configuration, instances, parse, service_of

HERE = Path(__file__).parents[2] / "golden" / "keepalived"
CLUSTER = parsing.parse((HERE / "cluster.yaml").read_text())
GOLDEN = sorted(HERE.glob("*-*.conf"))
NEW = Build(Version(2, 2, 7))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_the_configuration_of_a_host(file: Path) -> None:
    host, version = file.stem.split("-")
    assert configuration(CLUSTER, host, Build(Version.parse(version))) == file.read_text()


def test_every_host_has_a_golden_file_and_every_form() -> None:
    assert {file.stem.split("-")[0] for file in GOLDEN} == set(CLUSTER.hosts)
    assert {file.stem.split("-")[1] for file in GOLDEN} >= {"1.3.9", "2.0.10", "2.0.20", "2.1.5", "2.2.0", "2.2.7", "2.3.4"}


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_the_order_that_survives_a_reload(file: Path) -> None:
    """Either the FIFO has a user of its own, or script_user stands before it: else SIGHUP ends keepalived 2.2.7 and 2.3.4."""
    lines = file.read_text().splitlines()
    fifo = next(number for number, line in enumerate(lines) if "vrrp_notify_fifo" in line)
    assert lines[fifo].endswith(" root root") or "    script_user root" in lines[:fifo]
    assert fifo < lines.index("vrrp_instance database@eth0 {")


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_nothing_in_it_changes_other_peoples_instances(file: Path) -> None:
    """Each of these would: they belong into our own instances."""
    text = file.read_text()
    for word in ("vrrp_version", "vrrp_min_garp", "vrrp_garp", "router_id ", "vrrp_strict"):
        assert f"    {word}" not in text.partition("}")[0]


@pytest.mark.parametrize("host", CLUSTER.hosts)
def test_braces_close_and_no_service_address_is_keepalived_s(host: str) -> None:
    text = configuration(CLUSTER, host, NEW)
    assert text.count("{") == text.count("}")
    assert "192.168.0." not in text
    assert "fd00::2" not in text


def test_the_hosts_agree() -> None:
    """One router id and one marker a service and network; priorities fall along the list; peers never name oneself."""
    texts = {host: configuration(CLUSTER, host, NEW) for host in CLUSTER.services["database"].hosts}
    blocks = {host: text.split("vrrp_instance database@eth0 {")[1].split("\n}")[0].split() for host, text in texts.items()}

    def after(host: str, word: str) -> str:
        return blocks[host][blocks[host].index(word) + 1]

    assert len({after(host, "virtual_router_id") for host in blocks}) == 1
    assert len({text.split("virtual_ipaddress {")[-1] for text in texts.values()}) == 1
    assert [after(host, "priority") for host in CLUSTER.services["database"].hosts] == ["200", "190", "180"]
    for host, words in blocks.items():
        own = after(host, "unicast_src_ip")
        peers = {str(CLUSTER.hosts[other].heartbeats[0].address) for other in blocks if other != host}
        assert words.count(own) == 1
        assert peers <= set(words)


def test_a_host_without_a_service_is_told_so() -> None:
    text = (HERE / "cluster.yaml").read_text().replace("[server02, server01, server03]", "[server02, server01]")
    with pytest.raises(NotHere, match="server03 may run no service"):
        configuration(parsing.parse(text), "server03", NEW)


def test_instances_and_back() -> None:
    assert instances(CLUSTER, "nfs", "server01") == ("nfs@eth0", "nfs@ib0")
    assert {service_of(name) for name in instances(CLUSTER, "nfs", "server01")} == {"nfs"}


def dump(*states: tuple[str, int]) -> str:
    one = [
        {"data": {"iname": name, "state": state, "vipset": True, "last_transition": 1.5}, "stats": {}} for name, state in states
    ]
    return json.dumps(one)


def test_words_of_every_state() -> None:
    states = [("a@eth0", 0), ("b@eth0", 1), ("c@eth0", 2), ("d@eth0", 3), ("e@eth0", 97)]
    words = ["INIT", "BACKUP", "MASTER", "FAULT", "UNKNOWN"]
    assert parse(dump(*states)) == tuple(zip([name for name, _ in states], words, strict=True))


def test_every_partial_dump_is_read_again_not_believed() -> None:
    whole = dump(("nfs@eth0", 2), ("nfs@ib0", 1))
    for end in range(len(whole)):
        with pytest.raises(ValueError):  # noqa: PT011 - any ValueError means: read again
            parse(whole[:end])
    assert parse(whole) == (("nfs@eth0", "MASTER"), ("nfs@ib0", "BACKUP"))


@pytest.mark.parametrize("text", ["null", "7", "{}x", '[{"data": {}}]', "[7]", '[{"data": {"iname": "a", "state": "x"}}]'])
def test_another_shape_is_not_believed(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError means: read again
        parse(text)
