"""example:
  nvkeep_apply_config    what `nvkeep setup --yes` does: check cluster.yaml and every host, put the files on all of them

It may be typed on any host. Where something is missing on one of them, nothing is changed on any.

exit codes:
  0  every host is set up
  1  something is missing on a host, or it could not be set up: it is named, and how the others are
  2  cluster.yaml is wrong or not there, or another setup is under way: the message says what to type
"""  # noqa: D400, D205 - printed by --help

import argparse

from nvkeep import config
from nvkeep.cli import REFUSED
from nvkeep.legacy.common import end, refuse_unconverted


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("-f", "--file", default=config.DEFAULT_FILE, metavar="FILE", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Check, and set every host up."""
    refuse_unconverted(arguments.file)
    print(f"* Checking {arguments.file}", flush=True)
    cluster = config.load(arguments.file)
    print(f"* Checking and setting up {', '.join(cluster.hosts)}", flush=True)
    from nvkeep.cli import main  # noqa: PLC0415 - the same program, by its own name

    code = main(["setup", "--yes", "-f", arguments.file])
    return code if code == REFUSED else end(well=code == 0)
