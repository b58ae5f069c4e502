"""What our part and the administrator's file would be, and whether keepalived would take them. Puts nothing in place."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from nvkeep.errors import Busy, CommandError
from nvkeep.host import UNFINISHED, Host
from nvkeep.keepalived import parser
from nvkeep.keepalived.conf import configuration
from nvkeep.keepalived.drift import MADE, build_of, includes
from nvkeep.keepalived.install.checks import before, interfaces, tested
from nvkeep.keepalived.install.conflicts import clashes
from nvkeep.keepalived.names import CONF, DIRECTORY, INCLUDE, PART, finding
from nvkeep.keepalived.version import Version, here
from nvkeep.model.finding import Finding, FindingCode
from nvkeep.model.spec import Cluster
from nvkeep.state.files import RUN

LOCK = f"{RUN}/lock/.keepalived-conf"  # one at a time writes and tries these files
CANDIDATE = {path: f"{DIRECTORY}/.{path.rpartition('/')[2]}{UNFINISHED}" for path in (CONF, PART)}
FRESH = f"""\
# {CONF} - yours: write your own vrrp_instances here. Only the include line is nvkeep's.
global_defs {{
    enable_script_security
    script_user root
}}
{INCLUDE}
"""
OURS = re.compile(
    r"(global_defs|vrrp_track_file nvkeep_\S+|track_file nvkeep_\S+|vrrp_script nvkeep_\S+|vrrp_instance \S+@\S+) \{$"
)


class Files(NamedTuple):
    """The administrator's file and our part; None where there is none."""

    main: str | None
    part: str | None


class Draft(NamedTuple):
    """What stands there, and what will."""

    old: Files
    new: Files

    @property
    def same(self) -> bool:
        """Return whether there is nothing to put in place."""
        return self.old == self.new


def draft(host: Host, cluster: Cluster, version: Version) -> Draft:
    """Make what would be put in place. Raises NotHere, Unsuited, OSError."""
    old = Files(written(host, CONF), written(host, PART))
    return Draft(old, Files(main_with_include(old.main), configuration(cluster, host.name, build_of(host, version))))


def objections(host: Host, cluster: Cluster, version: Version, made: Draft, *, fifo: bool = True) -> tuple[Finding, ...]:
    """Name what speaks against a draft before keepalived is asked. `fifo`: ours has to be there already."""
    build = build_of(host, version)
    others = list(parser.whole(host, made.new.main or ""))
    return (
        *before(host, cluster, build, fifo=fifo),
        *clashes(others, cluster, host.name, version),
        *_link(host, made.old, made.new),
    )


def refused(host: Host, cluster: Cluster) -> Iterator[Finding]:
    """Name all that keeps our files from being put in place, the heartbeats first. Changes nothing that stays.

    Our FIFO need not be there yet. Raises NotHere, Unsuited, OSError.
    """
    beats = tuple(interfaces(host, cluster))
    yield from beats
    with host.lock(LOCK, 60.0):
        version = here(host)
        made = draft(host, cluster, version)
        conflicts = objections(host, cluster, version, made, fifo=False)
        wrong = [conflict for conflict in conflicts if conflict.code is not FindingCode.HEARTBEAT]
        yield from wrong
        if not wrong and not beats and not made.same and (message := tried(host, made.new, version)):
            yield finding(message, f"$EDITOR {CONF} && keepalived -t")


def main_with_include(old: str | None) -> str:
    """Give keepalived.conf as it has to be: others' statements, without our old passage, and our include line."""
    kept = without_passage(old or "")
    if not kept.strip():
        return FRESH
    return kept if includes(kept) else f"{kept.rstrip()}\n\n# nvkeep's part; made by `nvkeep keepalived`\n{INCLUDE}\n"


def without_passage(text: str) -> str:
    """Take out what an earlier `nvkeep keepalived > keepalived.conf` wrote: from its first line to its last block."""
    lines = text.splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if re.match(MADE, line)), None)
    if start is None:
        return text
    end, within = start + 1, False
    for number, line in enumerate(lines[start + 1 :], start + 1):
        bare = line.rstrip()
        if within:
            within = bare != "}"
            end = number + 1
        elif OURS.match(bare) and (bare != "global_defs {" or not _blocks(lines[start:end])):
            within = True
        elif bare and not bare.startswith("#"):
            break
    return "".join(lines[:start] + lines[end:])


def _blocks(lines: list[str]) -> bool:
    return any(line.rstrip() == "}" for line in lines)


def written(host: Host, path: str) -> str | None:
    """Read a file that may be missing, to be written back. Raises OSError."""
    try:
        return host.read(path)
    except FileNotFoundError:
        return None


def _link(host: Host, old: Files, new: Files) -> Iterator[Finding]:
    """Name the links that would become plain files."""
    target = host.link_target(CONF)
    if target is not None and new.main != old.main:
        why = f"{CONF} is a link to {target}, which something else manages"
        yield finding(why, f"write `{INCLUDE}` there, at its end, and try again")
    target = host.link_target(PART)
    if target is not None and new.part != old.part:
        yield finding(f"{PART} is a link to {target}, and nvkeep writes this file itself", f"rm {PART}")


def tried(host: Host, new: Files, version: Version) -> str:
    """Let keepalived look at both files under other names, which no wildcard of an include matches."""
    main = "".join(f"{_renamed(line)}\n" for line in (new.main or "").splitlines())
    try:
        if host.exists(CONF):  # what is in it may be secret: the candidate gets its mode
            copy(host, CONF, CANDIDATE[CONF])
        host.write(CANDIDATE[CONF], main)
        host.write(CANDIDATE[PART], new.part or "")
        message = tested(host, version, CANDIDATE[CONF])
    finally:
        for path in CANDIDATE.values():
            host.remove(path)
    for path, candidate in CANDIDATE.items():
        message = message.replace(candidate, path)
    return message


def _renamed(line: str) -> str:
    includes = [statement for statement in parser.statements(line) if parser.included(statement) == PART]
    return f"include {CANDIDATE[PART]}" if includes else line


def sweep(host: Host, *directories: str) -> None:
    """Remove what somebody who was killed had not put in its place yet, here and there; what stays is in nobody's way.

    Whoever writes in one of the other directories at this very moment fails with a missing file, and has to try again.
    """
    with suppress(Busy, OSError), host.lock(LOCK, 60.0):
        for directory in (DIRECTORY, *directories):
            for name in host.names(directory):
                if name.startswith(".") and name.endswith(UNFINISHED):
                    host.remove(f"{directory}/{name}")


def copy(host: Host, path: str, to: str) -> None:
    """Copy a file with its mode and owner. Raises CommandError."""
    argv = ("cp", "--preserve=mode,ownership", "--", path, to)
    done = host.run(argv, 10.0)
    if done.code:
        raise CommandError(argv, done.code, done.err)
