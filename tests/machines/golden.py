"""What the tools really said, kept for the unit tests: one file a command, with its exit code and both outputs.

`NVKEEP_RECORD=1 pytest tests/machines` writes them again; without it, a tool that says something else fails its test.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from lab.vm.machine import Machine

HERE = Path(__file__).resolve().parent.parent / "golden/output"
RECORD = "NVKEEP_RECORD"


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
        assert _constant(now) == _constant(json.loads(path.read_text())), name
    return done


def _constant(kept: dict[str, Any]) -> dict[str, Any]:
    """Leave out what counts on: outputs hold generations and sizes."""
    return {key: kept[key] for key in ("argv", "code", "err")}
