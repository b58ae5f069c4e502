"""Putting our part of keepalived's configuration in place: tried first, put there at once, taken back when it does not work."""

from enum import IntEnum
from typing import NamedTuple

from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.keepalived import parser
from nvkeep.keepalived.answers import ask
from nvkeep.keepalived.install.candidate import LOCK, Files, copy, draft, objections, tried, written
from nvkeep.keepalived.names import CONF, PART, UNIT, every_instance
from nvkeep.keepalived.roles import running
from nvkeep.keepalived.version import Version
from nvkeep.model.spec import Cluster
from nvkeep.probes import unit
from nvkeep.state.files import RUN

PREVIOUS = ".nvkeep-previous"
PENDING = f"{RUN}/keepalived.pending"
SETTLE_S = 2.0  # after a reload in which a keepalived that does not survive it is gone
ANSWER_LIMIT_S = 15.0  # for all instances to answer


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


def install(host: Host, cluster: Cluster, version: Version) -> Done:
    """Put our part in place. Raises NotHere, Unsuited, ProbeError before anything is changed; OSError."""
    with host.lock(LOCK, 60.0):
        made = draft(host, cluster, version)
        wrong = objections(host, cluster, version, made)
        if wrong:
            return Done(Code.REFUSED, (*map(str, wrong), "nothing was changed"))
        runs = _runs(host)
        if made.same:
            return _again(host, cluster) if runs else Done(Code.DONE, (f"{PART} is as generated; nothing to change",))
        old, new = made
        message = tried(host, new, version)
        if message:
            return Done(Code.REFUSED, (message, "nothing was changed"))
        _put(host, old, new)
        if not runs:
            host.remove(PENDING)
            return Done(Code.DONE, (f"{PART} is in place; keepalived does not run here: systemctl enable --now keepalived",))
        return _reloaded(host, cluster, old)


def restore(host: Host, old: Files) -> str:
    """Put earlier files back, and let a keepalived that runs go on with them; say what is wrong then. Raises ProbeError."""
    with host.lock(LOCK, 60.0):
        if _runs(host):
            return _restore(host, old)
        _put_back(host, old)
        return ""


def come(host: Host, wanted: tuple[str, ...], patience: float = ANSWER_LIMIT_S) -> str:
    """Wait until keepalived knows all instances; say what is missing when it does not."""
    deadline = host.now() + patience
    while problem := _missing(host, wanted):
        if host.now() >= deadline:
            return problem
        host.sleep(0.2)
    return ""


def _runs(host: Host) -> bool:
    """Return whether keepalived runs; one that dies and is started again reads its files by itself."""
    return unit.read(host, UNIT).active in ("active", "reloading")


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


def _put(host: Host, old: Files, new: Files) -> None:
    """Put our part in place first: a main file that includes it must find it."""
    host.write(PENDING, "put in place, and not known to keepalived yet\n")
    for path, have, want in ((PART, old.part, new.part), (CONF, old.main, new.main)):
        if have != want and want is not None:
            if have is not None:
                copy(host, path, path + PREVIOUS)
            host.write(path, want, durable=True)


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
    host.sleep(SETTLE_S)
    problem = come(host, wanted)
    if not problem and ident and _ident(host) != ident:
        return "keepalived's vrrp process did not survive the reload, and was started again"
    return problem and f"after the reload {problem}"


def _restore(host: Host, old: Files) -> str:
    """Put the previous files back and let keepalived run with them; say what is wrong then."""
    _put_back(host, old)
    wanted = tuple(instance.name for text in old if text for instance in parser.instances(list(parser.statements(text))))
    if _ident(host) and not _reload(host, wanted):
        return ""
    host.run(("systemctl", "reset-failed", UNIT), 10.0)  # it may have died too often to be started again
    done = host.run(("systemctl", "restart", UNIT), 60.0)
    return f"keepalived does not start: {done.err.strip()}" if done.code else come(host, wanted)


def _put_back(host: Host, old: Files) -> None:
    for path, text in ((CONF, old.main), (PART, old.part)):
        if text is None:
            host.remove(path)
        elif text != written(host, path):  # it may be a link to what something else manages
            host.write(path, text, durable=True)
    host.remove(PENDING)


def _missing(host: Host, wanted: tuple[str, ...]) -> str:
    roles = ask(host)
    missing = [name for name in wanted if name not in dict(roles.words)]
    return f"keepalived does not know {', '.join(missing)}{f' ({roles.why})' if roles.why else ''}" if missing else ""


def _ident(host: Host) -> str:
    try:
        return running(host).ident
    except (OSError, ValueError, LookupError, NvkeepError):
        return ""
