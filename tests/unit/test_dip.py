"""Several hosts, each master on a part of the networks: one steps back for a moment."""

from nvkeep.model.dip import FIRST, LONG, NEXT, Dip, dip
from nvkeep.model.role import Role


def test_only_an_idle_candidate_waits_for_its_turn() -> None:
    assert dip(0.0, Role.CANDIDATE, 100.0, 0, idle=True) == Dip(100.0, now=False)
    assert dip(0.0, Role.CANDIDATE, 100.0, 0, idle=False) == Dip(0.0, now=False)
    for role in set(Role) - {Role.CANDIDATE}:
        assert dip(100.0, role, 101.0, 0, idle=True) == Dip(0.0, now=False)


def test_it_dips_in_its_turn_and_no_longer_than_a_moment() -> None:
    for position in (0, 1, 2):
        due = 100.0 + FIRST + NEXT * position
        assert not dip(100.0, Role.CANDIDATE, due - 0.1, position, idle=True).now
        assert dip(100.0, Role.CANDIDATE, due, position, idle=True) == Dip(100.0, now=True)
        assert dip(100.0, Role.FAULT, due + LONG / 2, position, idle=True).now
        assert dip(100.0, Role.FAULT, due + LONG, position, idle=True) == Dip(0.0, now=False)


def test_two_hosts_never_dip_together() -> None:
    assert NEXT > LONG
