"""The metrics of one service on one host, in the text format of Prometheus, version 0.0.4. Pure.

Every series is there after every pass, whatever happened, so that an alert rule never waits for one to appear.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nvkeep.model.decision import Action
from nvkeep.model.report import SETTLED, Report
from nvkeep.model.role import Role

COUNTED = re.compile(r"^nvkeep_takeovers_total\{[^}]*\} (\d+)", re.MULTILINE)
LAST = re.compile(r"^nvkeep_last_takeover_(timestamp|outage)_seconds\{[^}]*\} ([0-9.eE+-]+)", re.MULTILINE)


class Takeovers(NamedTuple):
    """How often this host took the service since it booted, when last (seconds since 1970), and for how long it was away."""

    number: int = 0
    at: float = 0.0
    outage: float = 0.0


class Metric(NamedTuple):
    """A metric: its name behind `nvkeep_`, its type, what it means, and its values by further labels."""

    name: str
    kind: str
    means: str
    values: Mapping[str, float]


def counted(text: str) -> Takeovers:
    """Read the counts from what was written last; what cannot be read begins again."""
    count, last = COUNTED.search(text), dict(LAST.findall(text))
    try:
        return Takeovers(int(count[1]), float(last["timestamp"]), float(last["outage"])) if count else Takeovers()
    except (KeyError, ValueError):
        return Takeovers()


class Times(NamedTuple):
    """When a pass ended (seconds since 1970), what it took, and how often one is made at least (seconds)."""

    wall: float
    took: float
    interval: float


def render(host: str, report: Report, times: Times, took: Takeovers, *, held: bool, fenced: bool) -> str:
    """Write the file."""
    labels = f'host="{host}",service="{report.service}"'
    return "".join(
        line for metric in _metrics(report, times, took, held=held, fenced=fenced) for line in _lines(metric, labels)
    )


def _lines(metric: Metric, labels: str) -> Iterator[str]:
    yield f"# HELP nvkeep_{metric.name} {metric.means}\n# TYPE nvkeep_{metric.name} {metric.kind}\n"
    for more, value in metric.values.items():
        yield f"nvkeep_{metric.name}{{{labels}{',' if more else ''}{more}}} {value:.10g}\n"


def _metrics(report: Report, times: Times, took: Takeovers, *, held: bool, fenced: bool) -> Iterator[Metric]:
    holds, watched = report.holder == "me", bool(report.facts.get("maintenance"))  # then nothing says how resources stand
    words = {f'resource="{_escaped(outcome.key)}"': float(outcome.word in SETTLED) for outcome in report.outcomes}
    words = dict.fromkeys(words, math.nan) if watched else words
    yield Metric("last_pass_timestamp_seconds", "gauge", "when the last pass ended", {"": times.wall})
    yield Metric("last_pass_duration_seconds", "gauge", "what the last pass took", {"": times.took})
    yield Metric("pass_interval_seconds", "gauge", "how often a pass is made at least", {"": times.interval})
    whole = holds and (report.settled or watched)
    yield Metric("serving", "gauge", "this host holds the volumes, and all of the service is there", {"": whole})
    yield Metric("holder", "gauge", "this host holds the volumes", {"": holds})
    yield Metric("eligible", "gauge", "this host may have the role, so it can take over", {"": report.eligible})
    yield Metric("maintenance", "gauge", "the service is in maintenance or only observed here", {"": watched})
    yield Metric("fenced", "gauge", "the volumes were taken from this host, and the other was not heard since", {"": fenced})
    yield Metric("held", "gauge", "the service has reached its restart limit here", {"": held})
    yield Metric("role", "gauge", "the role that keepalived gives", {f'role="{role}"': report.role == role for role in Role})
    yield Metric("action", "gauge", "what the last pass did", {f'action="{action}"': report.did is action for action in Action})
    yield Metric("resource_settled", "gauge", "a resource is as it should be on this host", words)
    yield Metric("takeovers_total", "counter", "how often this host took the service since it booted", {"": took.number})
    yield Metric("last_takeover_timestamp_seconds", "gauge", "when this host took it last; 0: not in this boot", {"": took.at})
    yield Metric("last_takeover_outage_seconds", "gauge", "for how long it was away then; 0: unknown", {"": took.outage})


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
