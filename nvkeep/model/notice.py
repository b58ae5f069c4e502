"""What somebody is told of: each change of a service on a host, once. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from nvkeep.model.decision import Action
from nvkeep.model.report import SETTLED, Word


class Event(StrEnum):
    """A closed list; docs/operations.md says when each is sent, and by which host."""

    TAKEOVER = "takeover"
    FENCED = "fenced"
    HELD = "held"
    STUCK = "stuck"
    SPLIT = "split"
    NOT_READY = "not-ready"
    ALL_CLEAR = "all-clear"
    TEST = "test"


class Known(NamedTuple):
    """What was sent last of a service: its trouble (empty: none), and whether this host had it."""

    trouble: str = ""
    serving: bool = False


class Seen(NamedTuple):
    """How a service stands: its trouble, and whether this host has it, wholly; None while that is on its way."""

    trouble: str
    serving: bool | None


def trouble(report: Mapping[str, Any], *, held: bool, fenced: bool, yielding: bool, unready_for: float, after: float) -> str:
    """Name the worst that a service is in on this host; empty where it is well.

    `yielding`: to a host that serves, for the second time or more in a row: once is what an agent's end looks like.
    `unready_for`: the seconds for which this host has not been able to take over, or another host has not answered.
    """
    words = {str(outcome["word"]) for outcome in report.get("outcomes", ())}
    first = {
        Event.FENCED: fenced or report.get("did") == Action.ISOLATE,
        Event.STUCK: Word.STUCK in words,
        Event.HELD: held,
        Event.SPLIT: yielding,
        Event.NOT_READY: unready_for >= after,
    }
    return next((str(event) for event, is_so in first.items() if is_so), "")


def serving(report: Mapping[str, Any]) -> bool | None:
    """Return whether this host has the service after a pass; None where it has a part of it only."""
    if report.get("holder") != "me":
        return False
    return True if all(outcome["word"] in SETTLED for outcome in report.get("outcomes", ())) else None


def news(known: Known, seen: Seen) -> tuple[list[Event], Known]:
    """Give what is to be sent now, and what is known then. A takeover is sent by whoever has taken it."""
    now = known.serving if seen.serving is None else seen.serving
    events = [Event.TAKEOVER] if now and not known.serving else []
    if seen.trouble != known.trouble:
        events.append(Event(seen.trouble) if seen.trouble else Event.ALL_CLEAR)
    return events, Known(seen.trouble, now)
