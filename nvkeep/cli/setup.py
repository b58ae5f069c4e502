"""examples:
  nvkeep setup                   set up all hosts of /etc/nvkeep/cluster.yaml; asks once before it changes anything
  nvkeep setup --yes             the same for scripts: asks nothing
  nvkeep setup --yes --local     this host only, without ssh; it prints what to do then on the others
  nvkeep setup --check           look at this host only, and change nothing
  nvkeep setup --files           where pip has installed nvkeep: put its program and units on this host, and nothing else

Without a cluster.yaml it asks the few questions that are needed and writes one. Every host is looked at, by ssh, before any is
changed: what is missing is a table with the command that fixes it. keepalived there looks at its new files before they are in
place. Then files are put in place, first on hosts that serve nothing; units are enabled and started; and if one host cannot,
every host is made as it was. A service that runs is not interrupted: a keepalived that runs is reloaded.
Made again, it changes nothing and says so; killed in the middle, made again it goes on.

exit codes:
  0  everything is set up; nothing is missing (--check)
  1  something is missing, or you said no: nothing was changed on any host (--undo: not all could be taken back)
  2  cluster.yaml is wrong, or this is not root, not a host of it, or no terminal and no --yes; an option is wrong; or another
     nvkeep setup runs on this host: nothing was changed
  3  a host could not: every host is as it was
  4  a host could not, and one could not be made as it was: it is named, with what to type there
  5  everything is set up, but one host keeps its record of the state before: it is named, with what to type
"""  # noqa: D400, D205 - printed by --help

import argparse
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from nvkeep.cli.common import file_option
from nvkeep.errors import NotHere, NvkeepError
from nvkeep.host import Host, LocalHost
from nvkeep.setup import by_pip, table
from nvkeep.setup import order as orders
from nvkeep.setup.member import Look, Member
from nvkeep.setup.order import DIRECTORY, Order
from nvkeep.setup.rollout import Code, Rollout, compare

STEPS = ("commit", "start", "lead", "finish", "undo", "clear")
LOCK_TIMEOUT_S = 300.0  # for the step before to end
NEXT = "next: nvkeep status"


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    file_option(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--local", action="store_true", help="only this host, without ssh")
    parser.add_argument("--keepalived-at-boot", action=argparse.BooleanOptionalAction, dest="at_boot",
                        help="does keepalived start at boot? default: on a new host yes, else as it is")  # fmt: skip
    parser.add_argument("--check", action="store_true", help="only look at this host")
    parser.add_argument("--json", action="store_true", help="for programs (--check)")
    parser.add_argument("--files", action="store_true", help="only put nvkeep's own files here, where pip has installed it")
    parser.add_argument("--undo", dest="step", action="store_const", const="undo",
                        help="undo on this host what a killed setup has done")  # fmt: skip
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)  # what one host has another one do
    parser.add_argument("--digest", default="", help=argparse.SUPPRESS)
    parser.add_argument("--as", dest="name", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Set up, or do the one part of it that is asked for."""
    if os.geteuid():
        raise NotHere("only root can set up a host; run it as root")
    try:
        return _run(LocalHost(), arguments)
    except (PermissionError, BrokenPipeError):
        raise
    except OSError as error:
        raise NvkeepError(f"{error.filename or 'this host'}: {error.strerror}; df {DIRECTORY}") from error


def _run(host: Host, arguments: argparse.Namespace) -> int:
    if arguments.step:
        with orders.alone(host, ".setup-step", LOCK_TIMEOUT_S):  # one whose ssh broke off goes on, and is taken back after it
            return _step(host, arguments)
    if arguments.check:
        return _check(host, arguments)
    if by_pip.is_it() or arguments.files:
        return _files(host, only=arguments.files)
    with orders.alone(host, ".setup", 0.0):
        return _guided(host, arguments)


def _step(host: Host, arguments: argparse.Namespace) -> int:
    from nvkeep.setup import steps, undo  # noqa: PLC0415 - what a host is told by another

    if arguments.step == "clear":
        orders.clear(host, arguments.digest)
        return 0
    if arguments.step in ("undo", "finish"):
        ended = (undo.undo if arguments.step == "undo" else steps.finish)(host, arguments.digest)
    else:
        ended = getattr(steps, arguments.step)(host, orders.staged(host, arguments.digest, arguments.at_boot))
    print(*ended.lines, sep="\n")
    return 0 if ended.well else 1


def _files(host: Host, *, only: bool) -> int:
    """Put nvkeep's own files here where pip has installed it; then go on as what was put there."""
    if by_pip.is_it():
        by_pip.put(host)
        _say(f"{host.name}: nvkeep's program and units are in place")
    else:
        _say(f"{host.name}: nothing was changed: this nvkeep was not installed by pip")
    if not only:
        by_pip.become_it()
    return Code.DONE


def _check(host: Host, arguments: argparse.Namespace) -> int:
    from nvkeep.setup.survey import survey  # noqa: PLC0415 - only here

    order = orders.read(host, arguments.file, arguments.at_boot)
    seen = survey(host, order, arguments.name or _member(host, order))
    look = Look(host.name, seen, seen.unmet)
    if arguments.json:
        print(seen.dump())
    else:
        print(table.lacking([look], host.name) or f"{host.name}: nothing is missing; setting up would change:")
        print(table.planned([look]) if not seen.unmet else "nothing was changed")
    return Code.LACKING if seen.unmet else Code.DONE


def _member(host: Host, order: Order) -> str:
    if host.name not in order.members:
        raise NotHere(f"{host.name} may run no service of this cluster; type it on one of {', '.join(order.members)}")
    return host.name


def _guided(host: Host, arguments: argparse.Namespace) -> int:
    """Ask, look, show, ask, and do."""
    if not (arguments.yes or sys.stdin.isatty()):
        print("no terminal to ask on; nothing was changed; to set up without asking: nvkeep setup --yes", file=sys.stderr)
        return Code.REFUSED
    order = _order(host, arguments)
    _member(host, order)
    names = (host.name,) if arguments.local else order.members
    rollout = Rollout([Member(host, name, order) for name in names], _say)
    orders.stage(host, order)
    try:
        code = _shown(host, rollout, yes=arguments.yes)
    finally:
        rollout.clear()
    if code is Code.DONE:
        if not arguments.local:
            compare(host, order.cluster)
        _next(host, order, local=arguments.local)
    return code


def _order(host: Host, arguments: argparse.Namespace) -> Order:
    """Read cluster.yaml; where there is none, ask for it. Raises NotHere, ConfigError, UnsafeFile."""
    if not host.exists(arguments.file):
        if arguments.yes:
            raise NotHere(f"there is no {arguments.file}; write one, or answer its questions on a terminal: nvkeep setup")
        from nvkeep.setup.questions import interview  # noqa: PLC0415 - only where there is no file

        interview(host, arguments.file)
    return orders.read(host, arguments.file, arguments.at_boot)


def _shown(host: Host, rollout: Rollout, *, yes: bool) -> Code:
    """Show what is missing, or what would be changed; change it when that is wanted."""
    looks = rollout.look()
    if missing := table.lacking(looks, host.name):
        print(missing)
    if any(look.unmet for look in looks):
        print("nothing was changed on any host; fix this, then type again: nvkeep setup")
        return Code.LACKING
    if not any(look.survey.changes for look in looks if look.survey):
        print(f"{', '.join(look.name for look in looks)}: set up as cluster.yaml says; nothing was changed")
        return Code.DONE
    print("Setting up changes:", table.planned(looks), sep="\n")
    if not (yes or _wanted("Do it? [y/N] ")):
        print("nothing was changed")
        return Code.LACKING
    _end_in_order()
    return rollout.carry_out(looks)


def _wanted(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def _next(host: Host, order: Order, *, local: bool) -> None:
    for name in order.members if local else ():
        if name != host.name:
            print(f"on {name}, too: put the same {orders.TARGET} there (scp {orders.TARGET} {name}:{orders.TARGET}),"
                  " then type there: nvkeep setup --local")  # fmt: skip
    print(NEXT)


def _end_in_order() -> None:
    """Take everything back also where the terminal goes away, or somebody ends this."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as with nohup
            signal.signal(number, end)


def _say(line: str) -> None:
    with suppress(OSError):  # a terminal that has gone away stops nothing
        print(line, flush=True)
