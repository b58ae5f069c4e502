"""Whom the policy of a service lets be ended."""

import os

import pytest

from nvkeep.host import LocalHost
from nvkeep.unmount import escalation
from nvkeep.unmount.blocker import PROTECTED, Blocker, Sort
from nvkeep.unmount.escalation import Escalation, Request

OWN = "pg.service"
FAMILY = frozenset({1, 70, 71})


def process(pid: int, unit: str, sort: Sort = Sort.PROCESS) -> Blocker:
    return Blocker(sort, "/srv/pg", "works in /srv/pg", pid, "sleep", unit)


WHO = {
    "own": process(5, OWN),
    "a session": process(6, "session-3.scope"),
    "without a unit": process(7, ""),
    "pid 1": process(1, OWN),
    "our shell": process(70, OWN),
    "the agent": process(8, "nvkeep.service"),
    "keepalived": process(9, "keepalived.service"),
    "own, in a namespace": process(10, OWN, Sort.NAMESPACE),
    "another, in a namespace": process(11, "x.service", Sort.NAMESPACE),
    "a mount": Blocker(Sort.MOUNT, "/mnt", "it is mounted at /mnt as well"),
    "a loop device": Blocker(Sort.LOOP, "/dev/loop1", "/dev/loop1 is a loop device on its file"),
    "the nfs server": Blocker(Sort.EXPORT, "/srv/pg", "exports", unit="nfs-server.service"),
    "swap": Blocker(Sort.SWAP, "/srv/pg/swap", "swaps"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "ended"),
    [
        ("none", set()),
        ("unit", {"own", "own, in a namespace"}),
        ("all", {"own", "a session", "without a unit", "own, in a namespace", "another, in a namespace"}),
    ],
)
def test_who_may_be_ended(policy: str, ended: set[str]) -> None:
    escalation = Escalation(LocalHost(), Request("/srv/pg", "", policy, (OWN,)), print, FAMILY)
    assert {name for name, one in WHO.items() if escalation.may_end(one)} == ended


def test_a_unit_that_is_protected_is_so_even_as_ones_own() -> None:
    escalation = Escalation(LocalHost(), Request("/srv/pg", "", "unit", PROTECTED), print, FAMILY)
    assert not [unit for unit in PROTECTED if escalation.may_end(process(99, unit))]


def test_the_family_of_a_process_goes_up_to_the_first() -> None:
    found = escalation.family(LocalHost(), os.getpid())
    assert {os.getpid(), os.getppid(), 1} <= found
    assert 0 not in found


def test_a_crowd_is_told_by_its_first_and_its_number() -> None:
    crowd = tuple(process(pid, "") for pid in range(100, 120))
    told = escalation.named(crowd, 2)
    assert "pid 100 (sleep)" in told
    assert "pid 102" not in told
    assert "and 18 more" in told
