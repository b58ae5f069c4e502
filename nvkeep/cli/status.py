"""examples:
  nvkeep status            every service of this host
  nvkeep status --json     the same for programs

Lines: ! is something to mend; . is as somebody chose it; [OK] is here as it should be; [NOT OK] is not as it should be;
[--] is not here, and should not be.

exit codes:
  0  ok
  1  degraded or converging
  2  failed, lost, split, cut-off, stuck or held; or cluster.yaml is wrong
  3  unknown
"""  # noqa: D400, D205 - printed by --help

import argparse
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from nvkeep import keepalived, marks
from nvkeep.cli.common import chosen, file_option, load, services_option
from nvkeep.cli.holders import grips
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.model.decision import Action, Facts, Holder
from nvkeep.model.report import Outcome, Word
from nvkeep.model.role import Role
from nvkeep.model.summary import EXIT, Summary, summarize
from nvkeep.passes import WANT, Pass
from nvkeep.planning import Want
from nvkeep.probes import fifo, unit
from nvkeep.reconcilers import ADDRESS, MOUNT, UNIT, VOLUME, Resource
from nvkeep.sight import Sight
from nvkeep.state import Held

TITLE = {VOLUME.name: "VOLUME", MOUNT.name: "MOUNTPOINT", ADDRESS.name: "FLOATING IP", UNIT.name: "SERVICE"}
HOLDERS = {
    Holder.ME: "this host",
    Holder.ANOTHER: "another host",
    Holder.NOBODY: "nobody",
    Holder.UNTOLD: "not this host (this storage tells no more)",
    Holder.UNKNOWN: "unknown",
}
QUOTED = 5  # lines of a unit's journal
NEW_HERE = "no pass is on record here: until this host has heard the other, or for a minute, it seizes nothing; nvkeep apply"
YET = "this host takes from nobody yet"
KEEPALIVED = "keepalived.service"
NOT_AT_BOOT = "keepalived is not enabled at boot: after a reboot this host takes no role until: systemctl start keepalived"
MARK = {Word.IN_SYNC: "[OK]", Word.BLOCKED: "[--]", Word.UNKNOWN: "[UNKNOWN]"}


@dataclass(frozen=True)
class Line:
    """One line: a resource, how it stands, and why if it does not stand well."""

    mark: str
    title: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.mark} {self.title}: {self.name}{f'  ({self.reason})' if self.reason else ''}"


@dataclass(frozen=True)
class Standing:
    """How one service stands on this host."""

    service: str
    summary: Summary
    role: str
    holder: str
    why: str
    eligible: bool
    eligible_why: str
    last_pass: str
    worries: tuple[str, ...]
    notes: tuple[str, ...]
    blockers: tuple[str, ...]
    lines: tuple[Line, ...]
    journal: tuple[str, ...]


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything anew and print it."""
    cluster, host = load(arguments)
    standings = [stand(Pass(host, cluster, service)) for service in chosen(cluster, host.name, arguments.services)]
    if arguments.json:
        print(json.dumps([_plain(one) for one in standings], indent=2))
    else:
        print("\n\n".join(_text(one, host.name) for one in standings))
    return max((EXIT[one.summary] for one in standings), default=0)


def stand(one: Pass) -> Standing:
    """Tell how one service stands now. Changes nothing."""
    verdict, sight = one.consider(None, guarding=False)
    last, spell = one.store.report(), one.store.spell()
    outcomes = [_remembered(_outcome(each, sight.seen[each.key], verdict.action), last) for each in one.resources]
    worries = _worries(one, sight, last)
    held, new = _held(one), not one.store.listened()
    yielding, well = one.host.now() < spell.yield_until, one.store.flag() and not worries
    facts = replace(sight.facts, loss=sight.facts.loss and not new)  # no record counts as a loss, and is none
    summary = summarize(facts, verdict, outcomes, yielding=yielding, held=held is not None, well=well)
    return Standing(
        service=one.service,
        summary=summary,
        role=_role(one, sight),
        holder=HOLDERS[sight.facts.holder] + (f" ({sight.by})" if sight.by else ""),
        why=sight.unknown or (YET if new and _kept_back(sight.facts, verdict.action) else verdict.why),
        eligible=one.store.flag(),
        eligible_why="" if one.store.flag() else str(last.get("eligible_why") or "no pass yet"),
        last_pass=f"{_age(one, last):.0f} s ago: {last['did']}" if last else "none in this boot; nvkeep apply",
        worries=tuple(worries),
        notes=tuple(_notes(one)),
        blockers=tuple(_blockers(one)) if sight.facts.holder is Holder.ME else (),
        lines=tuple(_line(each, outcome) for each, outcome in zip(one.resources, outcomes, strict=True)),
        journal=_journal(one, [held.key] if held else [each.key for each in outcomes if each.word is Word.FAILED]),
    )


def _held(one: Pass) -> Held | None:
    try:
        return one.store.held()
    except ProbeError:  # told among the worries
        return None


def _journal(one: Pass, failed: list[str]) -> tuple[str, ...]:
    """Quote the last lines of what did not start: the next thing anybody would look for."""
    units = [key.partition(" ")[2] for key in failed if key.startswith(UNIT.name)]
    found: list[str] = []
    for name in units:
        with suppress(NvkeepError, OSError):
            done = one.host.run(("journalctl", "-u", name, "-n", str(QUOTED), "--no-pager", "-q", "-o", "short"), 5.0)
            found += [f"{name}: {line}" for line in done.out.splitlines()]
    return tuple(found)


def _kept_back(facts: Facts, action: Action) -> bool:
    """Tell whether nothing but a loss on record keeps a master from taking."""
    other = facts.cooling or not facts.witness or facts.told
    return facts.loss and not other and facts.role is Role.MASTER and action is Action.REST


def _age(one: Pass, last: dict[str, Any]) -> float:
    return max(0.0, one.host.now() - float(last["at"]))


def _role(one: Pass, sight: Sight) -> str:
    if one.store.manual_role() is not None:
        return f"{sight.facts.role} (by hand; nvkeep role {one.service} --unset)"
    return f"{sight.facts.role}{f' ({one.eyes.roles.why})' if one.eyes.roles.why else ''}"


def _worries(one: Pass, sight: Sight, last: dict[str, Any]) -> list[str]:
    """Say what takes high availability away although the service itself may stand well."""
    late = 3 * one.cluster.timing.reconcile
    found = [*dict.fromkeys(filter(None, (one.eyes.outdated, one.eyes.unwritable, fifo.deaf(one.host), _drifted(one))))]
    if sight.facts.role is Role.NONE and one.store.manual_role() is None:
        found.append(_no_role(one))
    if not one.store.listened():
        found.append(NEW_HERE)
    if last and _age(one, last) > late:
        found.append(f"no pass for more than {late:g} s; systemctl status nvkeep nvkeep-reconcile.timer")
    return found


def _no_role(one: Pass) -> str:
    """Tell a keepalived that was not started yet, which is how it should be where it is not enabled, from one in trouble."""
    with suppress(ProbeError):
        seen = unit.read(one.host, KEEPALIVED)
        if seen.active == "inactive" and not seen.inactive_since:
            return "keepalived was not started since this host booted: no role until: systemctl start keepalived"
    return "keepalived gives no role; systemctl status keepalived"


def _drifted(one: Pass) -> str:
    """Say what in keepalived's files is not as generated; a role set by hand may be because there is no keepalived."""
    return "" if one.eyes.outdated or one.store.manual_role() else keepalived.drifted(one.host, one.cluster)


def _notes(one: Pass) -> list[str]:
    """Say what is as somebody has chosen, and worth knowing before the next reboot."""
    found = ["this host is going down: everything is handed over"] if marks.leaving(one.host) else []
    with suppress(ProbeError):
        if not unit.enabled(one.host, KEEPALIVED):
            found.append(NOT_AT_BOOT)
    return found


def _blockers(one: Pass) -> list[str]:
    """Name those who would keep a release waiting, before one is needed; the service's own units are none of them."""
    try:
        return [str(grip) for grip in grips(one.host, one.spec, deep=False) if not grip.own]
    except ProbeError as error:
        return [str(error)]


def _remembered(now: Outcome, last: dict[str, Any]) -> Outcome:
    """Add what the last pass ran into, for what still is not as it should be."""
    if now.word is not Word.DRIFTED:
        return now
    before = next((one for one in last.get("outcomes", []) if one["key"] == now.key), None)
    worst = before and before["word"] in (Word.FAILED, Word.STUCK, Word.DENIED)
    return Outcome(now.key, Word(before["word"]), str(before["reason"])) if before and worst else now


def _outcome(resource: Resource, have: object, action: Action) -> Outcome:
    if isinstance(have, ProbeError):
        return Outcome(resource.key, Word.UNKNOWN, str(have))
    if action is Action.WAIT and have is not None:
        return Outcome(resource.key, Word.UNKNOWN, "left alone")
    if WANT.get(action, Want.GONE) is Want.HERE:
        wanted = resource.kind.desired(resource.spec)
        return Outcome(resource.key, Word.IN_SYNC if have == wanted else Word.DRIFTED, "" if have == wanted else _differs(have))
    return Outcome(resource.key, Word.BLOCKED if have is None else Word.DRIFTED, "" if have is None else "should not be here")


def _differs(have: object) -> str:
    return "absent" if have is None else str(have)


def _line(resource: Resource, outcome: Outcome) -> Line:
    title, name = TITLE[resource.kind.name], resource.key.partition(" ")[2]
    shown = f"{resource.spec.interface} {resource.spec.address}" if resource.kind is ADDRESS else name
    return Line(MARK.get(outcome.word, "[NOT OK]"), title, shown, outcome.reason)


def _text(one: Standing, host: str) -> str:
    ready = "may take over" if one.eligible else f"may not take over: {one.eligible_why}"
    head = [
        f"{one.service} on {host}: {one.summary}",
        f"  role {one.role}, holder {one.holder}, {ready}",
        f"  {one.why}",
        *(f"  ! {worry}" for worry in (*one.worries, *one.blockers)),
        *(f"  . {note}" for note in one.notes),
    ]
    quoted = [f"    {line}" for line in one.journal]
    return "\n".join([*head, *(f"  {line}" for line in one.lines), *quoted, f"  last pass {one.last_pass}"])


def _plain(one: Standing) -> dict[str, object]:
    return asdict(one)
