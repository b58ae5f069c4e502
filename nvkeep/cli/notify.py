"""examples:
  nvkeep notify --test        run the command under `notify:` in cluster.yaml now, with the event "test", and say how it ended

The agent runs it once for each change of a service: takeover, fenced, held, stuck, split, not-ready, all-clear. The
command gets three more words: the event, the service, and a file with what `nvkeep status --json` says of it.

exit codes:
  0  it ended with 0
  1  it did not: the message says how
  2  cluster.yaml is wrong, or has no `notify:`
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import log
from nvkeep.agent.notifying import send
from nvkeep.cli.common import chosen, file_option, load, refuse_others_than_root, services_option
from nvkeep.core.scope import Scope
from nvkeep.errors import NotHere
from nvkeep.model.notice import Event


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    services_option(parser)
    parser.add_argument("--test", action="store_true", required=True, help="run the command now")


def run(arguments: argparse.Namespace) -> int:
    """Send a test for each service."""
    refuse_others_than_root()
    cluster, host = load(arguments)
    if cluster.notify is None:
        raise NotHere(f"{arguments.file} has no `notify:`; add notify: {{command: [PROGRAM]}}, as in docs/operations.md")
    log.setup(quiet=True)
    ended = [send(Scope(host, cluster, service), Event.TEST) for service in chosen(cluster, host.name, arguments.services)]
    for text in ended:
        print(text)
    return 0 if all(text.endswith("notified") for text in ended) else 1
