"""Several hosts, each master on a part of the networks: one steps back for a moment."""

from nvkeep.model.role import Role
from nvkeep.model.timers import TIE_BREAK_FIRST_S, TIE_BREAK_LASTS_S, TIE_BREAK_NEXT_S, TieBreak, tie_break


def test_only_an_idle_candidate_waits_for_its_turn() -> None:
    assert tie_break(0.0, Role.CANDIDATE, 100.0, 0, idle=True) == TieBreak(100.0, now=False)
    assert tie_break(0.0, Role.CANDIDATE, 100.0, 0, idle=False) == TieBreak(0.0, now=False)
    for role in set(Role) - {Role.CANDIDATE}:
        assert tie_break(100.0, role, 101.0, 0, idle=True) == TieBreak(0.0, now=False)


def test_it_dips_in_its_turn_and_no_longer_than_a_moment() -> None:
    for position in (0, 1, 2):
        due = 100.0 + TIE_BREAK_FIRST_S + TIE_BREAK_NEXT_S * position
        assert not tie_break(100.0, Role.CANDIDATE, due - 0.1, position, idle=True).now
        assert tie_break(100.0, Role.CANDIDATE, due, position, idle=True) == TieBreak(100.0, now=True)
        assert tie_break(100.0, Role.FAULT, due + TIE_BREAK_LASTS_S / 2, position, idle=True).now
        assert tie_break(100.0, Role.FAULT, due + TIE_BREAK_LASTS_S, position, idle=True) == TieBreak(0.0, now=False)


def test_two_hosts_never_dip_together() -> None:
    assert TIE_BREAK_NEXT_S > TIE_BREAK_LASTS_S
