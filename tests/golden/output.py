"""Output of real tools, captured in emulated machines by tests/machines: one JSON file a situation.

nvme-1/ is what nvme-cli 1.12 (Debian 11) printed without a namespace: a library that was loaded before its others answered its
ioctl(2) as a target would. Nothing in tests/machines writes it again.
"""

import json
from pathlib import Path

from nvkeep.host import Completed

OUTPUT = Path(__file__).with_name("output")


def captured(tool: str, situation: str) -> Completed:
    """Give what a command left behind in a situation."""
    found = json.loads((OUTPUT / tool / f"{situation}.json").read_text())
    out, err = ("".join(f"{line}\n" for line in found[key]) for key in ("out", "err"))
    return Completed(tuple(found["argv"]), found["code"], out, err)
