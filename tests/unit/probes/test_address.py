"""`ip -j addr show` as iproute2 prints it."""

import json
from typing import Any

import pytest

from nvkeep.errors import ProbeError
from nvkeep.probes.address import Entry, parse

LINKS = [
    {"ifindex": 1, "ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "label": "lo"}]},
    {"ifindex": 2, "ifname": "eth0", "addr_info": [
        {"family": "inet", "local": "10.0.0.1", "prefixlen": 24, "broadcast": "10.0.0.255", "scope": "global", "label": "eth0"},
        {"family": "inet", "local": "192.168.0.1", "prefixlen": 24, "label": "eth0:vip", "secondary": True},
        {"family": "inet6", "local": "fe80::5054:ff:fe12:3456", "prefixlen": 64, "scope": "link"}]},
    {"ifindex": 3, "ifname": "ib0", "addr_info": [
        {"family": "inet6", "local": "fd00::2", "prefixlen": 64, "tentative": True},
        {"family": "inet6", "local": "fd00:0:0:0:0:0:0:3", "prefixlen": 64, "dadfailed": True, "tentative": True}]},
    {"ifindex": 4, "ifname": "eth1", "addr_info": []},
    {"ifindex": 5, "ifname": "eth2"},
    {},
]  # fmt: skip


def test_every_address_of_every_link() -> None:
    assert parse(json.dumps(LINKS)) == (
        Entry("lo", "127.0.0.1", 8, "lo", "usable"),
        Entry("eth0", "10.0.0.1", 24, "eth0", "usable"),
        Entry("eth0", "192.168.0.1", 24, "eth0:vip", "usable", secondary=True),
        Entry("eth0", "fe80::5054:ff:fe12:3456", 64, None, "usable"),
        Entry("ib0", "fd00::2", 64, None, "tentative"),
        Entry("ib0", "fd00::3", 64, None, "duplicate"),
    )


def test_a_point_to_point_link_has_its_own_end() -> None:
    link = {"ifname": "tun0", "addr_info": [{"local": "10.8.0.1", "address": "10.8.0.2", "prefixlen": 32, "label": "tun0"}]}
    assert [entry.address for entry in parse(json.dumps([link]))] == ["10.8.0.1"]


def test_no_address_is_an_answer() -> None:
    assert parse('[{"ifname": "lo", "addr_info": []}]') == ()


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536",
        '[{"ifname": "eth0", "addr_info": [',
        "null",
        "{}x",
        '["eth0"]',
        '[{"ifname": "eth0", "addr_info": [{"local": "10.0.0.1"}]}]',
        '[{"addr_info": [{"local": "10.0.0.1", "prefixlen": 8}]}]',
        '[{"ifname": "eth0", "addr_info": [{"local": "ten", "prefixlen": 8}]}]',
        '[{"ifname": "eth0", "addr_info": 7}]',
    ],
)
def test_anything_else_is_unknown_not_absent(printed: str) -> None:
    with pytest.raises(ProbeError, match="ip -j addr show"):
        parse(printed)


def test_any_single_missing_key_is_told_or_harmless() -> None:
    whole: dict[str, Any] = {"ifname": "eth0", "addr_info": [{"local": "10.0.0.1", "prefixlen": 24, "label": "eth0"}]}
    for key in ("ifname", "prefixlen"):
        copy = json.loads(json.dumps([whole]))
        (copy[0] if key in copy[0] else copy[0]["addr_info"][0]).pop(key)
        with pytest.raises(ProbeError):
            parse(json.dumps(copy))
