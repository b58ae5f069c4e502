"""The cluster as one page of HTML that needs nothing else: now, readiness, the last takeovers, steps, rehearsals. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from nvkeep.model.history import Entry, percentiles
from nvkeep.model.override import moment
from nvkeep.model.summary import Summary
from nvkeep.status import timeline
from nvkeep.status.screen import Overall, Status, headline, holds, judge

DRAWN = 5  # takeovers
COLOURS = {Summary.OK: "ok", **dict.fromkeys((Summary.DEGRADED, Summary.CONVERGING), "warn")}
BY_HAND = (Summary.STANDBY, Summary.MAINTENANCE)
STYLE = """\
:root{--ok:#2e7d43;--warn:#9a6700;--bad:#b3261e;--hand:#3f5f8a;--line:#8884;color-scheme:light dark}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.5rem;max-width:64rem}
h1{font-size:1.35rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:2rem 0 .6rem}small{opacity:.75}
.word{display:inline-block;padding:0 .55em;border-radius:.3em;color:#fff;font-weight:600}
.ok{background:var(--ok)}.warn{background:var(--warn)}.bad{background:var(--bad)}.hand{background:var(--hand)}
.service{border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1rem;margin:.7rem 0}
table{border-collapse:collapse;width:100%;margin-top:.5rem}
th,td{text-align:left;padding:.25rem .6rem .25rem 0;vertical-align:top}
th{font-weight:600;border-bottom:1px solid var(--line)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td:first-child,td:last-child{white-space:nowrap}ul{margin:.3rem 0;padding-left:1.2rem}
svg{width:100%;height:auto;border:1px solid var(--line);border-radius:.5rem;margin:.4rem 0}
svg text{fill:currentColor}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
"""


def page(cluster: str, services: Mapping[str, Mapping[str, Status]], agreement: Sequence[str], entries: Sequence[Entry],
         wall: float, host: str) -> str:  # fmt: skip
    """Write it; `entries`: the history of this host, oldest first."""
    summed = {service: judge(hosts) for service, hosts in services.items()}
    head = headline(summed, agreement) if summed else "this host may run no service of this cluster"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(cluster)}: {escape(head)}</title>',
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body>',
        f"<h1>{escape(cluster)}</h1><p>{_headline(head)}</p>",
        f"<small>{moment(wall, exact=True)}, as {escape(host)} sees it</small>",
        "<h2>Services</h2>",
        *(_service(service, summed[service], hosts) for service, hosts in services.items()),
        "<h2>Agreement</h2>",
        _list(line.strip() for line in agreement),
        f"<h2>Last takeovers of {escape(host)}</h2>",
        *_takeovers(entries),
        f"<h2>Steps on {escape(host)}</h2>",
        _steps(entries),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _headline(text: str) -> str:
    word, _, rest = text.partition(": ")
    return f"{_word(Summary(word))} {escape(rest)}" if rest else escape(text)


def _word(word: Summary) -> str:
    return f'<span class="word {"hand" if word in BY_HAND else COLOURS.get(word, "bad")}">{word}</span>'


def _service(name: str, overall: Overall, hosts: Mapping[str, Status]) -> str:
    past = [str(line) for status in hosts.values() for line in status.get("past", ())]
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _row(host, status))}</tr>" for host, status in hosts.items())
    return (
        f'<div class="service">{_word(overall.word)} <strong>{escape(name)}</strong>: {escape(overall.sentence)}{_list(past)}'
        f"<table><tr><th>host</th><th>role</th><th>is</th><th>last pass</th></tr>{rows}</table></div>"
    )


def _row(host: str, status: Status) -> Iterator[str]:
    yield f"<strong>{escape(host)}</strong>"
    if "unheard" in status:
        yield from ("", f"unknown: {escape(str(status['unheard']))}", "")
        return
    yield escape(str(status.get("role")))
    ready = "serves" if holds(status) else "ready to take over" if status.get("eligible") else "may not take over"
    marks = ("orders", "warnings", "blockers")
    texts = [str(text) for mark in marks for text in status.get(mark, ())]
    why = str(status.get("eligible_why") or "")
    yield f"{ready}{_list(dict.fromkeys([*([why] if why else []), *texts, *_resources(status)]))}"
    yield escape(str(status.get("last_pass")))


def _resources(status: Status) -> Iterator[str]:
    for line in status.get("lines", ()):
        if holds(status) or line["mark"] != "[--]":
            yield f"{line['mark']} {line['title']}: {line['name']}{'  (' + line['reason'] + ')' if line['reason'] else ''}"


def _list(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def _takeovers(entries: Sequence[Entry]) -> list[str]:
    taken = [entry for entry in entries if entry["outage"] is not None][-DRAWN:]
    drawn = [
        f"{timeline.svg(entry)}<small>away for {entry['outage']:.2f} s; nvkeep history {entry['id']}</small>" for entry in taken
    ]
    return drawn[::-1] or ["<p>none on record</p>"]


def _steps(entries: Sequence[Entry]) -> str:
    head = "".join(f'<th class="n">{word}</th>' for word in ("times", "median", "9 of 10", "longest"))
    rows = "".join(
        f'<tr><td>{escape(step.step)}</td><td class="n">{step.times}</td>'
        + "".join(f'<td class="n">{seconds:.3f} s</td>' for seconds in (step.median, step.most, step.longest))
        + "</tr>"
        for step in percentiles(entries)
    )
    return f"<table><tr><th>step</th>{head}</tr>{rows}</table>"
