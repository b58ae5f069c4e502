"""Putting our part of keepalived's configuration in place: tried first, put there at once, taken back when it does not work."""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from nvkeep.errors import CommandError, NvkeepError
from nvkeep.host import Host
from nvkeep.keepalived import theirs
from nvkeep.keepalived.clashes import clashes
from nvkeep.keepalived.conf import configuration
from nvkeep.keepalived.drift import MADE, build_of, includes
from nvkeep.keepalived.names import CONF, DIRECTORY, INCLUDE, PART, UNIT, every_instance
from nvkeep.keepalived.roles import ask, running
from nvkeep.keepalived.traps import before, tested
from nvkeep.keepalived.version import Version
from nvkeep.model.spec import Cluster
from nvkeep.probes import unit
from nvkeep.state import RUN

CANDIDATE = {CONF: f"{DIRECTORY}/.keepalived.conf.candidate", PART: f"{DIRECTORY}/.nvkeep.conf.candidate"}
PREVIOUS = ".nvkeep-previous"
PENDING = f"{RUN}/keepalived.pending"
SETTLE = 2.0  # seconds after a reload in which a keepalived that does not survive it is gone
PATIENCE = 15.0  # seconds for all instances to answer
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


class Code(IntEnum):
    """How it ended; the exit codes of `nvkeep keepalived --install`."""

    DONE = 0
    REFUSED = 1
    RESTORED = 3
    BROKEN = 4


class Done(NamedTuple):
    """How it ended, in words."""

    code: Code
    lines: tuple[str, ...]


class Files(NamedTuple):
    """The administrator's file and our part; None where there is none."""

    main: str | None
    part: str | None


def install(host: Host, cluster: Cluster, version: Version) -> Done:
    """Put our part in place. Raises NotHere, Unsuited, ProbeError before anything is changed; OSError."""
    with host.lock(f"{RUN}/lock/.keepalived-conf", 60.0):
        old = Files(_text(host, CONF), _text(host, PART))
        build = build_of(host, version)
        new = Files(main_with_include(old.main), configuration(cluster, host.name, build))
        others = list(theirs.whole(host, new.main or ""))
        wrong = [*before(host, cluster, build), *clashes(others, cluster, host.name, version), *_link(host, old, new)]
        if wrong:
            return Done(Code.REFUSED, (*wrong, "nothing was changed"))
        runs = unit.read(host, UNIT).active in (
            "active",
            "reloading",
        )  # one that dies and is started again reads them by itself
        if new == old:
            return _again(host, cluster) if runs else Done(Code.DONE, (f"{PART} is as generated; nothing to change",))
        said = _tried(host, new, version)
        if said:
            return Done(Code.REFUSED, (said, "nothing was changed"))
        _put(host, old, new)
        if not runs:
            host.remove(PENDING)
            return Done(Code.DONE, (f"{PART} is in place; keepalived does not run here: systemctl enable --now keepalived",))
        return _reloaded(host, cluster, old)


def main_with_include(old: str | None) -> str:
    """Give keepalived.conf as it has to be: others' statements, without our old passage, and our include line."""
    kept = without_passage(old or "")
    if not kept.strip():
        return FRESH
    return kept if includes(kept) else f"{kept.rstrip()}\n\n# nvkeep's part; made by `nvkeep keepalived`\n{INCLUDE}\n"


def without_passage(text: str) -> str:
    """Take out what an earlier `nvkeep keepalived > keepalived.conf` wrote: from its first line to its last block."""
    lines = text.splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if MADE.match(line)), None)
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


def _text(host: Host, path: str) -> str | None:
    try:
        return host.read(path)
    except FileNotFoundError:
        return None


def _link(host: Host, old: Files, new: Files) -> Iterator[str]:
    target = host.link_target(CONF)
    if target is not None and new.main != old.main:
        yield f"{CONF} is a link to {target}, which something else manages; write `{INCLUDE}` there, at its end, and try again"


def _again(host: Host, cluster: Cluster) -> Done:
    """Reload once more where an earlier run was killed before keepalived knew the files."""
    wanted = every_instance(cluster, host.name)
    if not host.exists(PENDING) and not _missing(host, wanted):
        return Done(Code.DONE, (f"{PART} is as generated; nothing to change",))
    problem = _reload(host, wanted)
    if problem:
        return Done(Code.REFUSED, (f"{PART} is as generated, but {problem}; journalctl -u keepalived",))
    host.remove(PENDING)
    return Done(Code.DONE, (f"{PART} is as generated, but keepalived did not know it: it was reloaded",))


def _tried(host: Host, new: Files, version: Version) -> str:
    """Let keepalived look at both files under other names, which no wildcard of an include matches."""
    main = "".join(f"{_renamed(line)}\n" for line in (new.main or "").splitlines())
    try:
        if host.exists(CONF):  # what is in it may be secret: the candidate gets its mode
            _copy(host, CONF, CANDIDATE[CONF])
        host.write(CANDIDATE[CONF], main)
        host.write(CANDIDATE[PART], new.part or "")
        said = tested(host, version, CANDIDATE[CONF])
    finally:
        for path in CANDIDATE.values():
            host.remove(path)
    for path, candidate in CANDIDATE.items():
        said = said.replace(candidate, path)
    return said


def _renamed(line: str) -> str:
    found = [one for one in theirs.statements(line) if theirs.included(one) == PART]
    return f"include {CANDIDATE[PART]}" if found else line


def _put(host: Host, old: Files, new: Files) -> None:
    """Put our part in place first: a main file that includes it must find it."""
    host.write(PENDING, "put in place, and not known to keepalived yet\n")
    for path, have, want in ((PART, old.part, new.part), (CONF, old.main, new.main)):
        if have != want and want is not None:
            if have is not None:
                _copy(host, path, path + PREVIOUS)
            host.write(path, want, durable=True)


def _copy(host: Host, path: str, to: str) -> None:
    argv = ("cp", "--preserve=mode,ownership", "--", path, to)
    done = host.run(argv, 10.0)
    if done.code:
        raise CommandError(argv, done.code, done.err)


def _reloaded(host: Host, cluster: Cluster, old: Files) -> Done:
    wanted = every_instance(cluster, host.name)
    problem = _reload(host, wanted)
    if not problem:
        host.remove(PENDING)
        return Done(Code.DONE, (f"{PART} is in place; keepalived was reloaded and runs {', '.join(wanted)}",))
    back = _restore(host, old)
    if back:
        return Done(Code.BROKEN, (problem, f"the previous files are back, and {back}; journalctl -u keepalived"))
    return Done(
        Code.RESTORED, (problem, "the previous files are back, and keepalived runs with them; journalctl -u keepalived")
    )


def _reload(host: Host, wanted: tuple[str, ...]) -> str:
    """Reload and wait until it has settled; say what is wrong then."""
    ident = _ident(host)
    done = host.run(("systemctl", "reload", UNIT), 30.0)
    if done.code:
        return f"systemctl reload {UNIT} ended with {done.code}: {done.err.strip()}"
    host.sleep(SETTLE)
    problem = _come(host, wanted)
    if not problem and ident and _ident(host) != ident:
        return "keepalived's vrrp process did not survive the reload, and was started again"
    return problem and f"after the reload {problem}"


def _restore(host: Host, old: Files) -> str:
    """Put the previous files back and let keepalived run with them; say what is wrong then."""
    for path, text in ((CONF, old.main), (PART, old.part)):
        if text is None:
            host.remove(path)
        else:
            host.write(path, text, durable=True)
    host.remove(PENDING)
    wanted = tuple(one.name for text in old if text for one in theirs.instances(list(theirs.statements(text))))
    if _ident(host) and not _reload(host, wanted):
        return ""
    host.run(("systemctl", "reset-failed", UNIT), 10.0)  # it may have died too often to be started again
    done = host.run(("systemctl", "restart", UNIT), 60.0)
    return f"keepalived does not start: {done.err.strip()}" if done.code else _come(host, wanted)


def _come(host: Host, wanted: tuple[str, ...]) -> str:
    """Wait until keepalived knows all instances; say what is missing when it does not."""
    deadline = host.now() + PATIENCE
    while problem := _missing(host, wanted):
        if host.now() >= deadline:
            return problem
        host.sleep(0.2)
    return ""


def _missing(host: Host, wanted: tuple[str, ...]) -> str:
    roles = ask(host)
    missing = [name for name in wanted if name not in dict(roles.words)]
    return f"keepalived does not know {', '.join(missing)}{f' ({roles.why})' if roles.why else ''}" if missing else ""


def _ident(host: Host) -> str:
    try:
        return running(host).ident
    except (OSError, ValueError, LookupError, NvkeepError):
        return ""
