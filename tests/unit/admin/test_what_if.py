"""What an event means for each host."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from nvkeep.admin.what_if import Part, parts
from nvkeep.core.what_if import Assumed
from nvkeep.errors import NotHere
from nvkeep.model.spec import Address, Heartbeat, Member
from tests.unit.checks.test_consistency import CLUSTER
from tests.unit.status.test_screen import HOLDS, UNFIT, WAITS

SERVICES = {"nfs": {"srv-a": HOLDS, "srv-b": WAITS}}


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ("srv-a=down", [Part("srv-b", "nfs", Assumed.TAKE, detected=True)]),
        ("srv-b=down", []),
        ("srv-a=standby", [Part("srv-a", "nfs", Assumed.RELEASE), Part("srv-b", "nfs", Assumed.ACQUIRE)]),
        ("nfs@srv-a=lost", [Part("srv-a", "nfs", Assumed.LOSE)]),
        ("all=boot", [Part("srv-a", "nfs", Assumed.BOOT)]),
    ],
)
def test_who_meets_what(event: str, wanted: list[Part]) -> None:
    assert parts(CLUSTER, event, SERVICES) == wanted


def test_a_host_that_may_not_take_over_is_passed_by() -> None:
    hosts = {"srv-a": HOLDS, "srv-b": UNFIT, "srv-c": WAITS}
    assert parts(CLUSTER, "srv-a=down", {"nfs": hosts}) == [Part("srv-c", "nfs", Assumed.TAKE, detected=True)]


NETWORKS = ("hb0", "hb1")
TWO = replace(
    CLUSTER,
    hosts={
        name: Member(
            heartbeats=tuple(
                Heartbeat(interface=network, address=ip_address(f"10.{index}.0.{number}"))
                for index, network in enumerate(NETWORKS)
            )
        )
        for number, name in enumerate(CLUSTER.hosts, 1)
    },
)


def test_the_only_heartbeat_that_is_cut_is_met_by_those_who_hold_nothing() -> None:
    one = replace(TWO, hosts={name: Member(heartbeats=member.heartbeats[:1]) for name, member in TWO.hosts.items()})
    assert parts(one, "network=hb0", SERVICES) == [Part("srv-b", "nfs", Assumed.HEAR_NOTHING, detected=True)]


def test_one_of_two_heartbeats_makes_a_candidate() -> None:
    assert parts(TWO, "network=hb1", SERVICES) == [Part("srv-b", "nfs", Assumed.HEAR_LESS, detected=True)]


def test_the_network_of_the_service_is_met_by_all() -> None:
    floating = Address(address=ip_interface("192.168.0.9/24"), interface="sv0")
    served = replace(TWO, services={"nfs": replace(TWO.services["nfs"], addresses=(floating,))})
    assert {part.assumed for part in parts(served, "network=sv0", SERVICES)} == {Assumed.UNPLUG}


@pytest.mark.parametrize(
    "event", ["", "srv-a", "srv-x=down", "srv-a=up", "nfs@srv-x=lost", "x@srv-a=lost", "network=eth99", "a=b=c"]
)
def test_what_is_no_event_is_refused_with_what_to_write(event: str) -> None:
    with pytest.raises(NotHere, match=r"HOST=down|SERVICE@HOST=lost|its interfaces are"):
        parts(CLUSTER, event, SERVICES)
