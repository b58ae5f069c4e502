"""Everything in one run (`make bench`, root, about two hours): takeovers, rest, commands, load; then docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import hour
import page
import rest
import takeover

from lab import base
from lab.commands import LabError, run

TOOLS = {"keepalived": ("keepalived", "--version"), "systemd": ("systemctl", "--version")}


def machine() -> dict[str, object]:
    """Say what it was measured on; the versions are those of the lab's servers."""
    root = base.ensure() / "root"
    found = {name: version(root, words) for name, words in TOOLS.items()}
    return {"cores": os.cpu_count(), "kernel": platform.release(), "loop": loop(), **found}


def version(root: Path, words: tuple[str, ...]) -> str:
    """Give the first two words of what a tool calls itself."""
    done = run(("chroot", str(root), *words))
    return " ".join((done.stdout or done.stderr).split()[:2])


def loop() -> float:
    """Time five million additions, in seconds: the machine's speed now."""
    begun, total = time.perf_counter(), 0
    for number in range(5_000_000):
        total += number
    return time.perf_counter() - begun


def main() -> None:
    """Measure everything, and write the figures and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="+", default=[1, 5, 20], metavar="N", help="that are taken over")
    parser.add_argument("--resting", type=int, nargs="+", default=[1, 20, 100], metavar="N", help="services at rest")
    parser.add_argument("--adverts", type=float, nargs="+", default=[0.1], metavar="SECONDS", help="with one service: each")
    parser.add_argument("--runs", type=int, default=9, help="of each event (default: %(default)s)")
    parser.add_argument("--settle", type=float, default=rest.SETTLED, metavar="SECONDS", help="before services rest")
    parser.add_argument("--loaded", type=float, nargs="*", default=[hour.DEFAULT], metavar="SECONDS", help="adverts under load")
    parser.add_argument("--hour", type=float, default=hour.HOUR, metavar="SECONDS", help="under load (default: %(default)s)")
    words = parser.parse_args()
    cases: list[takeover.Case] = []
    for services in words.services:
        for advert in words.adverts if services == 1 else words.adverts[:1]:
            measured = takeover.measured((takeover.FLOOR, takeover.NVKEEP), services, advert, words.runs)
            for case in measured:
                takeover.tell(case)
            cases += measured
    takeover.compare(cases)
    figures: dict[str, object] = {"machine": machine(), "takeover": [asdict(case) for case in cases]}
    keep(figures)
    figures |= rest.rows(words.resting, words.settle, rest.LOOKED_ON, rest.RUNS)
    keep(figures)
    hours = [hour.measured(advert, words.hour) for advert in words.loaded]
    for loaded in hours:
        hour.tell(loaded)
    keep(figures | {"hour": [asdict(loaded) for loaded in hours]})
    page.PAGE.write_text(page.page(json.loads(page.FIGURES.read_text())))


def keep(figures: Mapping[str, object]) -> None:
    """Write what was measured until now: two hours are not lost to what fails at their end."""
    page.FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"bench: {error}")
