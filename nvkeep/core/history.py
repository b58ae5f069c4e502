"""Keep what a pass did: the report for `nvkeep status`, the metrics, and an entry of the history where something changed."""

from contextlib import suppress
from dataclasses import replace

from nvkeep import log
from nvkeep.core.act import Actor
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.model import history, metrics
from nvkeep.model.report import Report
from nvkeep.state.history import measured, save_measured


def keep(scope: Scope, report: Report, actor: Actor, began: float) -> None:
    """Record a pass that began then (seconds since boot). A thread writes the entry, the rest is in memory: nobody waits."""
    before, now = scope.store.report(), scope.host.now()
    wall = scope.host.wall()
    outage = _outage(scope, report, actor.answer.at or now)
    times = history.Times(began, now, wall - (now - began), actor.answer.at, outage)
    entry = history.entry(report, actor.made, times)
    kept = history.recent(before, now)
    if history.differs(report, actor.made, before, now) or entry["outage"] is not None:
        log.history(entry)
        kept |= {history.end(report): now}
    scope.store.save_report(replace(report, kept=kept))
    save_measured(scope.host, scope.service, _metrics(scope, report, entry, wall))


def _outage(scope: Scope, report: Report, until: float) -> float | None:
    """Give for how long the service was away, once, when it stands here; what was given back is forgotten."""
    timers, claimed = scope.store.timers(), scope.store.claimed()
    if not timers.silent_since or (claimed and not report.settled):
        return None
    scope.store.save_timers(replace(timers, silent_since=0.0))
    return until - timers.silent_since if claimed else None


def _metrics(scope: Scope, report: Report, entry: history.Entry, wall: float) -> str:
    """Write the metrics anew; what was counted until now is in the file of the pass before."""
    took = metrics.counted(measured(scope.host, scope.service))
    if history.taken(entry):
        took = metrics.Takeovers(took.number + 1, wall, 0.0)
    if entry["outage"] is not None:
        took = took._replace(outage=float(entry["outage"]))
    held = True  # also where that cannot be read: it is not started then
    with suppress(ProbeError):
        held = scope.store.held() is not None
    times = metrics.Times(wall, float(entry["seconds"]), scope.timing.reconcile)
    fenced = scope.store.fencing().taken
    return metrics.render(scope.host.name, report, times, took, held=held, fenced=fenced)
