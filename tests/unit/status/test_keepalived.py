"""What `nvkeep status` says of a keepalived that gives this host no role, or not the one that it may have."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nvkeep.model.role import Role, Roles
from nvkeep.status import keepalived
from nvkeep.status.keepalived import FAULT, trouble

PG = ("pg@hb0",)
GOES = "keepalived gives no role; systemctl status keepalived"


@pytest.mark.parametrize(
    ("role", "flag", "later", "said"),
    [
        (Role.FAULT, [True, True], "FAULT", [FAULT]),
        (Role.FAULT, [True], "BACKUP", []),  # it had just been raised
        (Role.FAULT, [True, False], "FAULT", []),  # it has just been lowered
        (Role.FAULT, [False], "FAULT", []),
        (Role.BACKUP, [True], "FAULT", []),
        (Role.MASTER, [True], "FAULT", []),
        (Role.NONE, [True], "", [GOES]),
    ],
)
def test_a_fault_that_lasts_although_the_flag_is_up(
    monkeypatch: pytest.MonkeyPatch, role: Role, flag: list[bool], later: str, said: list[str]
) -> None:
    monkeypatch.setattr(keepalived, "ask", lambda _: Roles(tuple((name, later) for name in PG)))
    monkeypatch.setattr(keepalived, "instances", lambda *_: PG)
    monkeypatch.setattr(keepalived, "_no_role", lambda _: GOES)
    slept, flags = list[float](), iter(flag)
    scope = SimpleNamespace(
        host=SimpleNamespace(sleep=slept.append, name="srv-a"),
        store=SimpleNamespace(flag=lambda: next(flags)), cluster=None, service="pg",
    )  # fmt: skip
    observation = SimpleNamespace(facts=SimpleNamespace(role=role), asked=SimpleNamespace(by_hand=False))
    assert trouble(scope, observation) == said  # type: ignore[arg-type]  # as much of them as is asked
    assert len(slept) == (role is Role.FAULT and flag[0])


def test_a_role_by_hand_is_nobodys_trouble() -> None:
    observation = SimpleNamespace(facts=SimpleNamespace(role=Role.NONE), asked=SimpleNamespace(by_hand=True))
    assert trouble(SimpleNamespace(), observation) == []  # type: ignore[arg-type]  # as above
