"""The view of the whole cluster in words: what every host says of every service, as lines of a terminal. Pure.

A `Status` is what `nvkeep status --json` prints of one service on one host; only `unheard` where a host said nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nvkeep.model.decision import Holder
from nvkeep.model.summary import HOLDERS, Summary

Status = Mapping[str, Any]
HELD = {HOLDERS[Holder.ME]: Holder.ME}  # as the version before says it
WORST = (
    Summary.FAILED, Summary.SPLIT, Summary.LOST, Summary.STUCK, Summary.HELD, Summary.CUT_OFF, Summary.UNKNOWN,
    Summary.CONVERGING, Summary.DEGRADED, Summary.STANDBY, Summary.MAINTENANCE, Summary.OK,
)  # fmt: skip
CALM = (Summary.OK, Summary.DEGRADED, Summary.STANDBY, Summary.MAINTENANCE)
NOT_HERE = "[--]"


class Overall(NamedTuple):
    """One word for a service in the cluster, and the one sentence that matters."""

    word: Summary
    sentence: str


def holds(status: Status) -> bool:
    """Return whether a host says that it holds the service; one with the version before says so in words."""
    return bool(status.get("holder_word", HELD.get(str(status.get("holder")))) == Holder.ME)


def word_of(status: Status) -> Summary:
    """Read the summary of one host; unknown where it said nothing, or a word that this version does not know."""
    word = str(status.get("summary", ""))
    return Summary(word) if word in set(Summary) else Summary.UNKNOWN


def judge(hosts: Mapping[str, Status]) -> Overall:
    """Sum up what all hosts say of a service."""
    holders = [name for name, status in hosts.items() if holds(status)]
    if len(holders) > 1:
        return Overall(Summary.SPLIT, f"{' and '.join(holders)} both say that they hold it")
    if not holders:
        return _unserved(hosts)
    (name,) = holders
    word, served = word_of(hosts[name]), f"served by {name}"
    if word not in (Summary.OK, Summary.DEGRADED):
        return Overall(word, f"{name}: {_matter(hosts[name])}")
    if word is Summary.DEGRADED:
        return Overall(word, f"{served}; {_matter(hosts[name])}")
    others = {other: status for other, status in hosts.items() if other != name}
    lacking = [other for other, status in others.items() if _lacks(other, status) or word_of(status) is not Summary.OK]
    if not lacking:
        return Overall(Summary.OK, f"{served}; {' and '.join(others)} can take over")
    worst = min(lacking, key=lambda other: WORST.index(_weight(others[other])))
    why = _lacks(worst, others[worst]) or f"{worst}: {_matter(others[worst])}"
    return Overall(_weight(others[worst]), f"{served}; {why}")


def _weight(status: Status) -> Summary:
    """Weigh a host beside the one that serves: that it says nothing, or is on its way, is a degraded service."""
    word = word_of(status)
    return Summary.DEGRADED if word in (Summary.OK, Summary.UNKNOWN, Summary.CONVERGING) else word


def _unserved(hosts: Mapping[str, Status]) -> Overall:
    """Sum up what nobody serves: a host that does not answer may have it, but what another one says may be worse than that."""
    unheard = [f"{name}: {status['unheard']}" for name, status in hosts.items() if "unheard" in status]
    name = min(hosts, key=lambda name: WORST.index(word_of(hosts[name])))
    word = word_of(hosts[name])
    if unheard and word in (Summary.UNKNOWN, Summary.CONVERGING, *CALM):
        return Overall(Summary.UNKNOWN, f"no host that answered holds it; {unheard[0]}")
    by_hand = word in (Summary.STANDBY, Summary.MAINTENANCE) and all(map(_ordered, hosts.values()))
    nobody = "no host that answered holds it" if unheard else "nobody serves it"
    return Overall(Summary.FAILED if word in CALM and not by_hand else word, f"{nobody}; {name}: {_matter(hosts[name])}")


def _matter(status: Status) -> str:
    """Pick the sentence that matters most of what one host says."""
    for texts in ("orders", "warnings"):
        if said := status.get(texts):
            return str(said[0])
    broken = [
        f"{line['title']}: {line['name']}: {line['reason']}" for line in status.get("lines", ()) if line["mark"] == "[NOT OK]"
    ]
    return broken[0] if broken else str(status.get("why", ""))


def _lacks(name: str, status: Status) -> str:
    """Say why a host could not take over; empty where it could."""
    if "unheard" in status:
        return f"{name}: {status['unheard']}"
    return "" if status.get("eligible") else f"{name} may not take over: {status.get('eligible_why')}"


def _ordered(status: Status) -> bool:
    return bool(status.get("orders"))


def worst_of(summed: Mapping[str, Overall]) -> str:
    """Name the service that is worst off."""
    return min(summed, key=lambda service: WORST.index(summed[service].word))


def headline(summed: Mapping[str, Overall], agreement: Sequence[str] = ()) -> str:
    """Write the first line: the worst word, and the sentence that belongs to it; hosts that do not agree are no ok."""
    worst = worst_of(summed)
    differs = [line.strip().removeprefix("! ") for line in agreement if line.strip().startswith("! ")]
    word, sentence = summed[worst]
    if word is Summary.OK and differs:
        return f"{Summary.DEGRADED}: {differs[0]}"
    if word is Summary.OK:
        number = len(summed)
        return f"ok: {'the service is' if number == 1 else f'all {number} services are'} served, and another host can take over"
    more = sum(overall.word is not Summary.OK for overall in summed.values()) - 1
    return f"{word}: {worst}: {sentence}{f' (and {more} more below)' if more else ''}"


def block(service: str, overall: Overall, hosts: Mapping[str, Status]) -> Iterator[str]:
    """Write one service: its sentence, since when and why it is where it is, and each host."""
    yield f"{service}: {overall.word}: {overall.sentence}"
    for status in hosts.values():
        yield from (f"  {line}" for line in status.get("past", ()))
    for name, status in hosts.items():
        yield from _host(name, status)


def _host(name: str, status: Status) -> Iterator[str]:
    if "unheard" in status:
        yield f"  {name}: unknown: {status['unheard']}"
        return
    ready = "" if holds(status) else ", ready to take over" if status.get("eligible") else ", may not take over"
    yield f"  {name}: {status.get('summary')}, role {status.get('role')}{ready}; last pass {status.get('last_pass')}"
    yield from (f"    . {order}" for order in status.get("orders", ()))
    yield from (f"    {why}" for why in (status.get("why"),) if why)
    why = str(status.get("eligible_why") or "")
    warnings = [str(warning) for warning in (*status.get("warnings", ()), *status.get("blockers", ()))]
    yield from (f"    ! {text}" for text in dict.fromkeys([*([why] if why and not _ordered(status) else []), *warnings]))
    yield from (f"    . {note}" for note in status.get("notes", ()))
    for line in status.get("lines", ()):
        if holds(status) or line["mark"] != NOT_HERE:
            reason = f"  ({line['reason']})" if line["reason"] else ""
            yield f"    {line['mark']} {line['title']}: {line['name']}{reason}"
    yield from (f"      {line}" for line in status.get("journal", ()))


def everything(services: Mapping[str, Mapping[str, Status]], agreement: Sequence[str]) -> list[str]:
    """Write the whole screen."""
    summed = {service: judge(hosts) for service, hosts in services.items()}
    lines = [headline(summed, agreement)] if summed else []
    for service, hosts in services.items():
        lines += ["", *block(service, summed[service], hosts)]
    return [*lines, "", "agreement", *agreement]
