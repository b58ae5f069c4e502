"""examples:
  nvkeep replay miw4k2p7          decide again on the facts of an entry of the history

exit codes:
  0  the same decision
  1  another one: this version decides otherwise, or the entry has facts that it does not know
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep.errors import NvkeepError
from nvkeep.host import LocalHost
from nvkeep.model.history import replayed
from nvkeep.state import history


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("id", metavar="ID", help="an entry; nvkeep history lists them")


def run(arguments: argparse.Namespace) -> int:
    """Decide, and print both."""
    entry = next((entry for entry in history.read(LocalHost()) if entry["id"] == arguments.id), None)
    if not entry:
        raise NvkeepError(f"{arguments.id} is no entry of the history; nvkeep history")
    try:
        verdict, same = replayed(entry)
    except (ValueError, TypeError) as error:
        raise NvkeepError(f"{arguments.id} has facts that this version does not know: {error}") from error
    print(f"{entry['service']}: then: line {entry['line']}: {entry['did']}: {entry['why']}")
    print(f"{entry['service']}: now:  line {verdict.line}: {verdict.action}: {verdict.why}")
    print("the same decision" if same else "another decision")
    return 0 if same else 1
