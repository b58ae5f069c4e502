"""The kind `address`: what is removed with it, and what is kept."""

import json
from ipaddress import ip_interface

import pytest

from nvkeep.host import Completed
from nvkeep.model.spec import Address
from nvkeep.probes.address import COMMAND
from nvkeep.reconcilers.address import AddressKind
from tests.unit.played import Played

KIND = AddressKind()
ONE = Address(address=ip_interface("10.0.0.10/24"), interface="eth0")
SYSCTL = "sysctl -qw net/ipv4/conf/eth0/promote_secondaries=1"
REMOVE = "ip addr del 10.0.0.10/24 dev eth0"


def row(address: str, prefix: int = 24, *, secondary: bool = False) -> dict[str, object]:
    return {
        "family": "inet",
        "local": address,
        "prefixlen": prefix,
        "label": "eth0",
        **({"secondary": True} if secondary else {}),
    }


def host(*rows: dict[str, object], promote: str = "0") -> Played:
    links = [{"ifname": "lo", "addr_info": [row("127.0.0.1", 8)]}, {"ifname": "eth0", "addr_info": list(rows)}]
    played = Played(files={"/proc/sys/net/ipv4/conf/eth0/promote_secondaries": f"{promote}\n"})
    played.said[COMMAND] = Completed(COMMAND, 0, json.dumps(links), "")
    return played


def released(played: Played) -> list[str]:
    have = KIND.observe(played, ONE)  # type: ignore[arg-type]  # as much of a Host as is asked
    assert have == KIND.desired(ONE)
    return [str(step) for step in KIND.release(ONE, have)]


def test_others_addresses_of_its_network_stay() -> None:
    """The first address of a network takes the others with it, the host's own too, unless the kernel is told otherwise."""
    mine, other = row("10.0.0.10"), row("10.0.0.9", secondary=True)
    assert released(host(mine, other)) == [SYSCTL, REMOVE]


@pytest.mark.parametrize(
    ("rows", "promote"),
    [
        ([row("10.0.0.10")], "0"),
        ([row("10.0.0.9"), row("10.0.0.10", secondary=True)], "0"),
        ([row("10.0.0.10"), row("10.1.0.9", secondary=True)], "0"),
        ([row("10.0.0.10"), row("10.0.0.9", secondary=True)], "1"),
    ],
)
def test_nothing_is_set_where_nobody_would_go_with_it(rows: list[dict[str, object]], promote: str) -> None:
    assert released(host(*rows, promote=promote)) == [REMOVE]
