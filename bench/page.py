"""Writes docs/performance.md from the figures of `make bench` (bench/figures.json): `python bench/page.py`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rest import HOUR
from takeover import CUT, FLOOR, MOVE, NVKEEP

ROOT = Path(__file__).parents[1]
FIGURES, PAGE = ROOT / "bench/figures.json", ROOT / "docs/performance.md"
Row = Mapping[str, Any]

HEAD = """\
# Performance

`make bench` measures this and writes this page. Each figure is a median; what is compared was measured in one run, in turns.

Machine: {cores} cores, Linux {kernel}, {keepalived}, {systemd}; a Python loop of five million additions takes {loop:.2f} s.

## How long a service is away

Two servers of the lab, PostgreSQL on an exclusive volume, a client that writes a row every 20 ms: the longest time without an
acknowledged row. The *floor* is a resident script that takes what keepalived says, attaches with preemption and checks nothing
(`lab/floor/`). Of several services, all but one are volume, mount and address.
"""
STAGES = """\

## Where the time goes

When each stage of a power cut is over, with one service, in seconds after it.
"""
TRACE = """\

What nvkeep logged on the server that took over, in the run that is nearest to the median:
"""
REST = """\

## At rest

For each server of a pair, five minutes after the last event. systemd includes what the timer starts.
"""
HOUR_HEAD = """\

## An hour under load

One service on a pair. All cores and the disk of both servers are busy. Of what they send each other 1 % is lost, and the rest
is up to 40 ms late. A client asks the service every 20 ms over a clean cable, and with it a program on the same server that
nvkeep does not know: a gap that both have is a pause of the machine. "Made master": keepalived gave the standby the role for a
moment, while the holder stays.
"""
NOTES = """\

## Why these values

Written by hand, from what was measured on 2026-12-01.

**The default of `timing.advert` is 0.1 s.** Nothing moves in the hour above, and nothing moved in the minutes that were tried
with 0.05, 0.03 and 0.02 s: a standby that is made master for a moment takes nothing while the address answers. Below 0.1 s a
takeover gains little, about three and a half times what is saved on each advert. The standby's agent asks for the addresses as
often as keepalived waits, so it costs more: with 0.1 s 0.7 % of a core under load, with 0.05 s 1.0 %.

**Of several services** each is attached, mounted and announced by itself, at the same time. With 20 all addresses are up in 1.8
times the time of one, where 1.5 was aimed at; the script that checks nothing needs 2.2 times. Where the time goes (medians,
from the first MASTER of keepalived's): after 0.05 s the last service is master, after 0.16 s the last one is decided, after
0.33 s the last volume is attached, after 0.38 s the last file system is mounted, after 0.39 s the last address is up; of one
service alone 0.11 s. The decisions and the mounts are work for both cores. NVMesh's commands queue behind a lock of the host:
the first one has one volume, the next one those that have come meanwhile. What would save most of the rest: services that
become master at the same moment share one look at keepalived, mounts and addresses, and a mount begins as soon as its volume is
seen attached, before the command that names the others has ended.

**The agent at rest** with 20 services costs more than the 0.5 % of a core that was aimed at. Each service has a thread, which
looks once a second whether its volume is still held, and makes a pass every ten seconds. Measured on a server of the lab, a
look costs 0.03 ms of processor time and a pass 1.9 ms where they follow each other; after a moment in which the core was idle
0.2 ms and 3.5 ms, and that is how they come, 22 times a second. To let all threads look at the same moment saved a tenth, to
let them look one after the other nothing. What would save the rest is one thread that looks for all services, and passes that
share what they see of mounts, addresses, keepalived and the gateway. Then storage that hangs would hold up every service of the
host, not its own alone. So it is left as it is.
"""
VERBS = """\

## Commands that find nothing to do

On the server that has the services.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Write a table."""
    yield f"\n| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def median(case: Row, key: str) -> float:
    """Give the median of the runs."""
    return float(statistics.median(run[key] for run in case["runs"]))


def spread(case: Row) -> str:
    """Write the median, the shortest and the longest gap."""
    gaps = [run["gap"] for run in case["runs"]]
    return f"{statistics.median(gaps):.3f} s ({min(gaps):.3f} to {max(gaps):.3f})"


def outages(cases: Sequence[Row]) -> Iterator[Sequence[object]]:
    """Compare nvkeep with the floor, a row an event."""
    found = {(case["event"], case["services"], case["advert"], case["tool"]): case for case in cases}
    for (event, services, advert, tool), case in found.items():
        if tool == NVKEEP and (floor := found.get((event, services, advert, FLOOR))):
            ratio = median(case, "gap") / median(floor, "gap")
            lost = sum(run["lost"] for run in case["runs"])
            yield (
                event,
                services,
                f"{advert:g} s",
                spread(floor),
                spread(case),
                f"{ratio:.2f}",
                f"{median(case, 'all_up'):.3f} s",
                lost,
            )


def stages(cases: Sequence[Row]) -> Iterator[Sequence[object]]:
    """Compare when each stage of a power cut is over."""
    cut = {case["tool"]: case for case in cases if case["event"] == CUT and case["services"] == 1}
    for what in cut[NVKEEP]["runs"][0]["stages"]:
        yield what, *(over(cut[tool], what) for tool in (FLOOR, NVKEEP))


def over(case: Row, what: str) -> str:
    """Give the median of when a stage was over."""
    ends = [run["stages"][what] for run in case["runs"] if what in run["stages"]]
    return f"{statistics.median(ends):.3f}" if ends else "-"


def trace(cases: Sequence[Row], event: str) -> Sequence[str]:
    """Give the log of the run nearest to the median."""
    case = next(case for case in cases if (case["event"], case["services"], case["tool"]) == (event, 1, NVKEEP))
    middle = median(case, "gap")
    run = min(case["runs"], key=lambda run: abs(run["gap"] - middle))
    return [*run["trace"], f"{run['gap']:.3f} is the client's gap"]


def resting(rows: Sequence[Row]) -> Iterator[Sequence[object]]:
    """Write a row a server at rest."""
    for row in rows:
        shares = (f"{row['seconds'][name] / HOUR:.2%}" for name in ("agent", "keepalived", "systemd"))
        lines = ", ".join(f"{who} {count:.0f}" for who, count in row["lines"].items())
        yield row["services"], row["role"], *shares, f"{row['resident']:.0f} MiB", lines or 0


def loaded(rows: Sequence[Row]) -> Iterator[Sequence[object]]:
    """Write a row an advert that an hour was spent with."""
    for row in rows:
        shares = (f"{row['shares'][role][name]:.2%}" for role in ("active", "standby") for name in ("keepalived", "agent"))
        time = f"{row['seconds'] / 60:.0f} min"
        yield f"{row['advert']:g} s", time, row["takeovers"], len(row["gaps"]), len(row["paused"]), row["masters"], *shares


def typed(rows: Sequence[Row]) -> Iterator[Sequence[object]]:
    """Write a row a command."""
    for row in rows:
        yield row["services"], f"`{row['words']}`", f"{row['wall'] * 1000:.0f} ms", f"{row['spent'] * 1000:.0f} ms"


def page(figures: Row) -> str:
    """Write the page."""
    cases = figures["takeover"]
    gaps = "event", "services", "advert", "floor", "nvkeep", "ratio", "last address", "rows lost"
    parts = (
        [HEAD.format(**figures["machine"])],
        table(gaps, outages(cases)),
        [STAGES],
        table(("stage", FLOOR, NVKEEP), stages(cases)),
        [TRACE],
        *([f"\n{event}:\n\n```text", *trace(cases, event), "```"] for event in (CUT, MOVE)),
        [REST],
        table(
            ("services", "server", "agent", "keepalived", "systemd", "memory of the agent", "journal lines an hour"),
            resting(figures["rest"]),
        ),
        [HOUR_HEAD],
        table(
            (
                *("advert", "time", "takeovers", "gaps over 0.1 s", "pauses of the machine", "made master"),
                *(f"{name}, {role}" for role in ("active", "standby") for name in ("keepalived", "agent")),
            ),
            loaded(figures["hour"]),
        ),
        [NOTES],
        [VERBS],
        table(("services", "command", "wall", "processor"), typed(figures["verbs"])),
    )
    return "\n".join(line.rstrip("\n") for part in parts for line in part) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(FIGURES.read_text())))
