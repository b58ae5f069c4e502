"""How long a dry run takes (`make bench`): medians of interleaved runs, as ratios to a bare interpreter of the same run."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 15
PLAN = ("-m", "nvkeep", "plan", "-f", "examples/nfs.yaml", "--host", "server01", "--role", "nfs=MASTER", "--assume-clean")
CASES = {
    "bare interpreter": ("-c", "pass"),
    "import nvkeep.cli": ("-c", "import nvkeep.cli"),
    "pydantic and ruamel.yaml alone": ("-c", "import pydantic, ruamel.yaml; pydantic.BaseModel"),
    "nvkeep plan (look at nothing)": PLAN,
    "nvkeep diff (deepdiff as well)": (*PLAN[:2], "diff", *PLAN[3:]),
}


def once(arguments: tuple[str, ...]) -> float:
    """Run one process; give its wall time in milliseconds."""
    begun = time.perf_counter()
    subprocess.run((sys.executable, *arguments), cwd=ROOT, stdout=subprocess.DEVNULL, check=False, timeout=60)
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    """Print a line a case: median, spread, ratio."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(RUNS):
        for name, arguments in CASES.items():
            times[name].append(once(arguments))
    reference = statistics.median(times["bare interpreter"])
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:<34} {middle:7.1f} ms  ({min(found):.1f} to {max(found):.1f})  {middle / reference:5.1f} x")


if __name__ == "__main__":
    main()
