"""What the tools really said, kept for the unit tests: one file a command, with its exit code and both outputs.

`NVKEEP_RECORD=1 pytest tests/machines` writes them again; without it, a tool that says something else fails its test.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from lab.vm.machine import Machine

HERE = Path(__file__).resolve().parent.parent / "golden/output"
RECORD = "NVKEEP_RECORD"
SPLIT = frozenset({"drbd/events-standalone", "drbd/events-peer-standalone"})
# What differs from one run to the next: in which recordings (none: in all), what stands there, and what is read instead.
VARIES: tuple[tuple[frozenset[str], str, str], ...] = (
    # both count every registration since the target began to run, also those of the tests before and of their tidying up
    (frozenset(), r'"gen":\d+', '"gen":N'),
    (frozenset(), r"PR generation=0x[0-9a-f]+", "PR generation=N"),
    # the last digits of an initiator's port count its logins since its boot
    (frozenset(), r",i,0x00023d[0-9a-f]{6}\b", ",i,0x00023dN"),
    # blocks sent, received, written and read, and entries of the activity log, since the resource was brought up
    (frozenset(), r"\b(ns|nr|dw|dr|al):\d+", r"\1:N"),
    # two hosts with two histories: whichever sees it first hangs up, the other may go on calling (Mirror.wait_refused)
    (SPLIT, r"(?: conn-name:\w+)? connection:(?:StandAlone|Connecting)", " connection:N"),
    (SPLIT, r" conn-name:\w+(?= volume:)", ""),
)


def said(name: str, host: Machine, argv: Sequence[str], timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a command in a machine, and keep what it says as NAME, or compare it with what is kept."""
    return keep(name, argv, host.run(argv, check=False, timeout=timeout))


def keep(name: str, argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Keep what a command said as NAME, or compare it with what is kept."""
    now = {"argv": list(argv), "code": done.returncode, "out": done.stdout.splitlines(), "err": done.stderr.splitlines()}
    path = HERE / f"{name}.json"
    if os.environ.get(RECORD):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{json.dumps(now, indent=1)}\n")
    else:
        assert _constant(name, now) == _constant(name, json.loads(path.read_text())), name
    return done


def _constant(name: str, kept: dict[str, Any]) -> dict[str, Any]:
    """Leave out of the output what differs from one run to the next; all else is compared."""
    out = "\n".join(kept["out"])
    for names, pattern, instead in VARIES:
        if not names or name in names:
            out = re.sub(pattern, instead, out)
    return kept | {"out": out.splitlines()}
