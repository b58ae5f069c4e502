"""The command line: one file a verb. Nobody imports it. Loads nothing until a verb is known."""

from __future__ import annotations

import io
import sys
from importlib import import_module

from nvkeep import __version__

TYPE_CHECKING = False  # typing's own takes a sixth of the time of the timer's question
if TYPE_CHECKING:
    import argparse

GROUPS = {
    "look": {
        "status": "the status of every service of this host, on every host, and why",
        "explain": "which rule decides about a service now, on which facts, and what would change it",
        "history": "what passes changed or refused, each as a timeline",
        "report": "write a page that shows the cluster, its last takeovers and rehearsals",
        "replay": "decide again on the facts of an entry of the history",
        "plan": "say what a pass would do, and do nothing",
        "diff": "the same, with the drift in words",
        "holders": "who would keep a service's file systems from being unmounted",
        "agreement": "what has to be the same on every host, as it is on this one",
    },
    "set up": {
        "setup": "from nothing to running: set up all hosts of the cluster, or none",
        "check": "check whether cluster.yaml is right",
        "show": "print cluster.yaml with every default filled in",
        "schema": "print the JSON Schema of cluster.yaml",
        "notify": "run the command under `notify:` now, as a test",
        "keepalived": "print or install this host's keepalived configuration",
        "import": "turn the original nvkeep's two files into a cluster.yaml",
    },
    "operate": {
        "move": "move a service to another host, in order",
        "standby": "a host releases everything, and serves nothing until it is activated",
        "activate": "a host may serve again",
        "stop": "stop a service on every host, or release it on this one",
        "start": "start a stopped service again",
        "rehearse": "move a service for real, measure how long its clients wait, and move it back",
        "maintenance": "watch a service and do nothing, for a while",
        "override": "list, record or end orders given by hand, on this host alone",
    },
    "repair": {
        "apply": "make one pass over every service of this host",
        "reset": "let this host try again after failures",
        "umount": "unmount one file system, by the escalation where it is busy; what a release runs",
        "role": "show the roles, or set one by hand",
    },
    "run by systemd": {
        "agent": "the agent; run by nvkeep.service",
        "failback": "move services home to this host, in their window; run by nvkeep-failback.timer",
        "shutdown": "release everything, because the system goes down; run by nvkeep-shutdown.service",
    },
}  # by what one wants to do
VERBS = {verb: does for group in GROUPS.values() for verb, does in group.items()}
LEGACY = {"import": "import_"}  # verbs that read the original's files
ORIGINAL = {
    "nvkeep_apply_config": "set every host up by cluster.yaml",
    "nvkeep_check_status": "the state of the volumes, mount points, floating addresses and services on this host",
    "nvkeep_clean_shutdown": "release the services on this host, in order",
    "nvkeep_manual_startup": "start services on this host, with or without keepalived",
}  # the commands of the original bash nvkeep: names of this same program
PLUMBING = ("announce", "lease", "loop", "nvme")
FIRST = """\
nvkeep keeps a service alive on servers that share a block volume.

    nvkeep status               how every service stands, on every host, and why
    nvkeep plan                 what a pass would do now; changes nothing
    nvkeep apply                make a pass now
    nvkeep check -f FILE        is this cluster.yaml right?
    nvkeep keepalived           this host's keepalived configuration

All commands: nvkeep --help. Help for one: nvkeep COMMAND --help.
"""
REFUSED = 2  # exit code: nothing was done, because the file is wrong or this host cannot


def main(argv: list[str] | None = None) -> int:
    """Run one command; give its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    called = sys.argv[0].rpartition("/")[2]
    if argv is None and called in ORIGINAL:
        return _run(_parser(called, f"{ORIGINAL[called].capitalize()}.", f"nvkeep.legacy.{called}").parse_args())
    if not arguments:
        sys.stdout.write(FIRST)
        return 0
    if arguments[0] in PLUMBING:
        return _plumb(arguments)
    if arguments[0] == "apply" and "--overdue" in arguments and not _overdue():
        return 0
    return _run(_parse(arguments))


def _overdue() -> bool:
    from nvkeep.state.lateness import overdue  # noqa: PLC0415 - before anything of weight: the timer asks every few seconds

    return overdue()


def _plumb(arguments: list[str]) -> int:
    from nvkeep.host import LocalHost  # noqa: PLC0415 - loaded only where it is used
    from nvkeep.host.plumbing import run  # noqa: PLC0415 - loaded only where it is used

    done = run(["nvkeep", *arguments], LocalHost())
    sys.stdout.write(f"{done.out}\n" if done.out else "")
    sys.stderr.write(f"{done.err}\n" if done.err else "")
    return done.code


def _parse(arguments: list[str]) -> argparse.Namespace:
    if arguments[0] in VERBS:
        verb = arguments[0]
        module = f"nvkeep.legacy.{LEGACY[verb]}" if verb in LEGACY else f"nvkeep.cli.{verb}"
        parser = _parser(f"nvkeep {verb}", VERBS[verb], module)
        parser.set_defaults(verb=verb)
        return parser.parse_args(arguments[1:])
    import argparse  # noqa: PLC0415 - the timer's question does without

    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="nvkeep", usage="nvkeep COMMAND ...", description=commands(), formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"nvkeep {__version__}")
    parser.add_argument("verb", choices=VERBS, metavar="COMMAND", help="each has --help of its own")
    _suggest(parser, arguments[0])
    return parser.parse_args(arguments)


def commands() -> str:
    """List the commands by what one wants to do."""
    width = max(map(len, VERBS))
    groups = ([f"{group}:", *(f"  {verb:<{width}}  {does}" for verb, does in verbs.items())] for group, verbs in GROUPS.items())
    return "\n\n".join(map("\n".join, groups))


def _parser(program: str, does: str, module: str) -> argparse.ArgumentParser:
    """Make the parser of one command: there are many, and to make them all would be a tenth of the time of a start."""
    import argparse  # noqa: PLC0415 - the timer's question does without

    command = import_module(module)
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=program, description=does, epilog=command.__doc__, formatter_class=formatter)
    command.options(parser)
    parser.set_defaults(run=command.run)
    return parser


def _suggest(parser: argparse.ArgumentParser, verb: str) -> None:
    if verb.startswith("-") or verb in VERBS:
        return
    from difflib import get_close_matches  # noqa: PLC0415 - only after a typing error

    close = get_close_matches(verb, VERBS, 1)
    parser.error(f"no command {verb}; {f'did you mean `nvkeep {close[0]}`?' if close else 'nvkeep --help lists them'}")


def _run(arguments: argparse.Namespace) -> int:
    for stream in (sys.stdout, sys.stderr):  # a file name that is no UTF-8 must not end what prints it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    from nvkeep.errors import Busy, ConfigError, NotHere, NvkeepError, UnsafeFile  # noqa: PLC0415 - loaded only where it is used

    try:
        return int(arguments.run(arguments))
    except (ConfigError, UnsafeFile, NotHere) as error:
        print(error, file=sys.stderr)
        return REFUSED
    except (Busy, NvkeepError) as error:
        print(f"nvkeep: {error}", file=sys.stderr)
    except PermissionError as error:
        print(f"nvkeep: {error.filename or error}: permission denied; run it as root", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()
    except OSError as error:
        print(f"nvkeep: {error}; df -h /run /var/lib/nvkeep", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1
