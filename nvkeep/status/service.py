"""How one service stands on this host now, for people and for programs. Looks at everything again; changes nothing."""

from dataclasses import replace
from typing import Any

from nvkeep.core.observe import Observation, observe
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.model.decision import Action, Holder, decide
from nvkeep.model.frozen import frozen
from nvkeep.model.plan import WANT, State, Unknown, Want
from nvkeep.model.report import Outcome, Word
from nvkeep.model.summary import HOLDERS, Summary, summarize
from nvkeep.model.timers import Blocked
from nvkeep.reconcilers import Resource
from nvkeep.status import past, warnings

SCHEMA = 2  # of the JSON; grows when a key changes its meaning or goes
NOT_YET = "this host does not take over from another host yet"
MARK = {Word.IN_SYNC: "[OK]", Word.BLOCKED: "[--]", Word.UNKNOWN: "[UNKNOWN]"}


@frozen
class Line:
    """One line: a resource, how it stands, and why if it does not stand well."""

    mark: str
    title: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.mark} {self.title}: {self.name}{f'  ({self.reason})' if self.reason else ''}"


@frozen
class ServiceStatus:
    """How one service stands on this host: the JSON of `nvkeep status --json`, docs/reference.md has it key by key.

    Programs go by `summary`, `holder_word`, `settled` and `eligible`; sentences are for people. `holder` stays a sentence,
    because a host with the version before compares it with "this host".
    """

    schema: int
    host: str
    at: float
    service: str
    summary: Summary
    role: str
    holder: str
    holder_word: Holder
    settled: bool
    why: str
    eligible: bool
    eligible_why: str
    last_pass: str
    orders: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    blockers: tuple[str, ...]
    lines: tuple[Line, ...]
    journal: tuple[str, ...]
    past: tuple[str, ...]


def service_status(scope: Scope) -> ServiceStatus:
    """Tell how one service stands now. Changes nothing."""
    last, timers = scope.store.report(), scope.store.timers()
    observation = _with_denial(scope, observe(scope), last)
    verdict = decide(observation.facts)
    outcomes = [
        _remembered(_outcome(resource, observation.seen[resource.key], verdict.judged_by), last) for resource in scope.resources
    ]
    warned = warnings.warnings(scope, observation, last)
    held, fencing = _held(scope), scope.store.fencing()
    orders = warnings.orders(scope)
    yielding, well = scope.host.now() < timers.yield_until, scope.store.flag() and not warned
    unfit = _unfit(scope, last)
    fenced = fencing.taken  # no record counts as having been fenced, and is not that
    summary = summarize(
        verdict, outcomes, yielding=yielding, held=held is not None, fenced=fenced, ordered=bool(orders), well=well
    )
    return ServiceStatus(
        schema=SCHEMA,
        host=scope.host.name,
        at=scope.host.wall(),
        service=scope.service,
        summary=summary,
        role=_role(scope, observation),
        holder_word=observation.facts.holder,
        settled=all(outcome.word is Word.IN_SYNC for outcome in outcomes),
        holder=HOLDERS[observation.facts.holder] + (f" ({observation.holders.by})" if observation.holders.by else ""),
        why=observation.holders.unknown or (NOT_YET if fencing.assumed and verdict.barred else verdict.why),
        eligible=not unfit,
        eligible_why=unfit,
        last_pass=f"{warnings.age(scope, last):.0f} s ago: {last['did']}" if last else "none in this boot; nvkeep apply",
        warnings=tuple(warned),
        orders=tuple(orders),
        notes=tuple(warnings.notes(scope)),
        blockers=tuple(warnings.blockers(scope)) if observation.facts.holder is Holder.ME else (),
        lines=tuple(_line(resource, outcome) for resource, outcome in zip(scope.resources, outcomes, strict=True)),
        journal=warnings.journal(
            scope, [held.key] if held else [outcome.key for outcome in outcomes if outcome.word is Word.FAILED]
        ),
        past=tuple(past.sentences(scope, here=observation.facts.holder is Holder.ME)),
    )


def _with_denial(scope: Scope, observation: Observation, last: dict[str, Any]) -> Observation:
    """Add that the last pass was denied a volume: some storage tells that only to a host that tries, and this only looks."""
    denied = last.get("holder") == Holder.ANOTHER and not warnings.late(scope, last)
    if observation.facts.holder is not Holder.UNTOLD or not denied:
        return observation
    return observation._replace(facts=replace(observation.facts, holder=Holder.ANOTHER))


def _held(scope: Scope) -> Blocked | None:
    """Read why the service is held here."""
    try:
        return scope.store.held()
    except ProbeError:  # the warnings report it
        return None


def _unfit(scope: Scope, last: dict[str, Any]) -> str:
    """Say why this host is not to take the service over: by its flag, or because nothing goes by that any more."""
    return warnings.late(scope, last) if scope.store.flag() else str(last.get("eligible_why") or "no pass yet")


def _role(scope: Scope, observation: Observation) -> str:
    if observation.asked.by_hand:
        return f"{observation.facts.role} (by hand; nvkeep role {scope.service} --unset)"
    return f"{observation.facts.role}{f' ({observation.asked.roles.why})' if observation.asked.roles.why else ''}"


def _remembered(now: Outcome, last: dict[str, Any]) -> Outcome:
    """Add what the last pass ran into, for what still is not as it should be."""
    if now.word is not Word.DRIFTED:
        return now
    before = next((outcome for outcome in last.get("outcomes", []) if outcome["key"] == now.key), None)
    worst = before and before["word"] in (Word.FAILED, Word.STUCK, Word.DENIED)
    return Outcome(now.key, Word(before["word"]), str(before["reason"])) if before and worst else now


def _outcome(resource: Resource, have: State, action: Action) -> Outcome:
    if isinstance(have, Unknown):
        return Outcome(resource.key, Word.UNKNOWN, have.why)
    if action is Action.WAIT and have is not None:
        return Outcome(resource.key, Word.UNKNOWN, "left alone")
    if WANT.get(action, Want.GONE) is Want.HERE:
        wanted = resource.kind.desired(resource.spec)
        return Outcome(
            resource.key, Word.IN_SYNC if have == wanted else Word.DRIFTED, "" if have == wanted else _differs(resource, have)
        )
    return Outcome(resource.key, Word.BLOCKED if have is None else Word.DRIFTED, "" if have is None else "should not be here")


def _differs(resource: Resource, have: object) -> str:
    return "absent" if have is None else resource.broken(have) or str(have)


def _line(resource: Resource, outcome: Outcome) -> Line:
    return Line(MARK.get(outcome.word, "[NOT OK]"), *called(resource), outcome.reason)


def called(resource: Resource) -> tuple[str, str]:
    """Give the title and the name that people know a resource by."""
    return resource.kind.title, resource.kind.called(resource.spec, resource.key.name)
