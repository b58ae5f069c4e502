"""What somebody is told: each change once, by whoever it is about."""

from typing import Any

import pytest

from nvkeep.model.notice import Event, Known, Seen, news, serving, trouble

WELL: dict[str, Any] = {"did": "serve", "holder": "me", "outcomes": [{"key": "mount /srv", "word": "in-sync"}]}
CALM = {"held": False, "fenced": False, "yielding": False, "unready_for": 0.0, "after": 300.0}


@pytest.mark.parametrize(
    ("report", "changes", "word"),
    [
        ({}, {}, ""),
        ({}, {"held": True}, Event.HELD),
        ({}, {"fenced": True}, Event.FENCED),
        ({"did": "isolate"}, {}, Event.FENCED),
        ({"did": "yield"}, {}, ""),
        ({}, {"yielding": True}, Event.SPLIT),
        ({"outcomes": [{"key": "mount /srv", "word": "stuck"}]}, {}, Event.STUCK),
        ({}, {"unready_for": 299.0}, ""),
        ({}, {"unready_for": 300.0}, Event.NOT_READY),
        ({}, {"unready_for": 900.0, "held": True}, Event.HELD),
    ],
)
def test_the_worst_trouble_is_named(report: dict[str, Any], changes: dict[str, Any], word: str) -> None:
    assert trouble(WELL | report, **CALM | changes) == word


@pytest.mark.parametrize(
    ("report", "has"),
    [
        ({}, True),
        ({"holder": "another"}, False),
        ({"outcomes": [{"key": "service x", "word": "converging"}]}, None),
    ],
)
def test_a_host_serves_what_stands_wholly(report: dict[str, Any], *, has: bool | None) -> None:
    assert serving(WELL | report) is has


@pytest.mark.parametrize(
    ("known", "seen", "events"),
    [
        (Known(), Seen("", serving=False), []),
        (Known(), Seen("", serving=True), [Event.TAKEOVER]),
        (Known("", serving=True), Seen("", serving=True), []),
        (Known("", serving=True), Seen("", serving=None), []),
        (Known("", serving=True), Seen("", serving=False), []),
        (Known("", serving=True), Seen("fenced", serving=False), [Event.FENCED]),
        (Known("fenced"), Seen("fenced", serving=False), []),
        (Known("fenced"), Seen("", serving=False), [Event.ALL_CLEAR]),
        (Known("fenced"), Seen("", serving=True), [Event.TAKEOVER, Event.ALL_CLEAR]),
        (Known("not-ready"), Seen("held", serving=False), [Event.HELD]),
    ],
)
def test_each_change_is_sent_once(known: Known, seen: Seen, events: list[Event]) -> None:
    first, now = news(known, seen)
    assert first == events
    assert news(now, seen)[0] == []


def test_a_service_that_is_restarted_in_place_is_no_takeover() -> None:
    known = Known("", serving=True)
    for state in (None, None, True):
        events, known = news(known, Seen("", serving=state))
        assert events == []
