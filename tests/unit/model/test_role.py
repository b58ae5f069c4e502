"""keepalived's words over all heartbeats -> one role."""

from itertools import permutations, product

import pytest

from nvkeep.model.role import Role, Roles, merge

CASES = [
    (["MASTER"], Role.MASTER),
    (["MASTER", "MASTER"], Role.MASTER),
    (["MASTER", "BACKUP"], Role.CANDIDATE),
    (["MASTER", "FAULT"], Role.CANDIDATE),
    (["MASTER", ""], Role.CANDIDATE),
    (["MASTER", "INIT"], Role.CANDIDATE),
    (["BACKUP"], Role.BACKUP),
    (["BACKUP", "FAULT"], Role.BACKUP),
    (["FAULT", "FAULT"], Role.FAULT),
    (["FAULT", ""], Role.FAULT),
    (["INIT"], Role.NONE),
    (["UNKNOWN", ""], Role.NONE),
    ([""], Role.NONE),
    ([], Role.NONE),
]


@pytest.mark.parametrize(("words", "role"), CASES)
def test_merge(words: list[str], role: Role) -> None:
    assert {merge(list(order)) for order in permutations(words)} == {role}


def test_master_needs_every_word() -> None:
    words = ("MASTER", "BACKUP", "FAULT", "INIT", "UNKNOWN", "")
    for some in product(words, repeat=3):
        assert (merge(list(some)) is Role.MASTER) == (set(some) == {"MASTER"})
        assert (merge(list(some)) in (Role.MASTER, Role.CANDIDATE)) == ("MASTER" in some)


def test_only_the_instances_of_the_service_count_and_a_missing_one_is_not_master() -> None:
    roles = Roles((("nfs@eth0", "MASTER"), ("nfs@ib0", "MASTER"), ("db@eth0", "BACKUP")))
    assert roles.of(("nfs@eth0", "nfs@ib0")) is Role.MASTER
    assert roles.of(("db@eth0",)) is Role.BACKUP
    assert roles.of(("nfs@eth0", "nfs@eth9")) is Role.CANDIDATE
    assert roles.of(("web@eth0",)) is Role.NONE
    assert Roles().of(("nfs@eth0",)) is Role.NONE
