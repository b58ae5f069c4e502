"""Taking back on one host what setting up did there: what was let run is ended in order, and the files are as they were."""

from contextlib import suppress

from nvkeep.errors import CommandError
from nvkeep.host import Host
from nvkeep.keepalived.install import installer
from nvkeep.keepalived.install.candidate import Files, written
from nvkeep.keepalived.names import CONF, PART, UNIT
from nvkeep.probes import unit
from nvkeep.setup import record, steps
from nvkeep.setup.changes import OURS, RUNS, held, is_enabled
from nvkeep.setup.record import Record, Text
from nvkeep.setup.steps import Ended
from nvkeep.state.files import LEAVING

HAND_OVER = "nvkeep-shutdown.service"
PERMIT = f"/run/systemd/system/{HAND_OVER}.d/setup-undo.conf"
RELEASE_LIMIT_S = 300.0  # for the services to be released
AGENT, TIMER = "nvkeep.service", "nvkeep-reconcile.timer"
BESIDE = ("nvkeep-reconcile.service", "nvkeep-failback.timer", "nvkeep-failback.service")  # what those two let run
NOTHING = "nothing to take back here"


def undo(host: Host, digest: str = "") -> Ended:
    """Make this host as the record says it was, of this setup or of any. Raises CommandError, ProbeError, OSError."""
    if record.foreign(host, digest):
        return Ended(well=True, lines=(steps.FOREIGN,))
    before = record.saved(host)
    if before is None:
        steps.finish(host, digest)
        return Ended(well=True, lines=(NOTHING,))
    _end(host, before)
    kept = held(host) if not before.units[AGENT].active else ()
    if kept:
        return Ended(well=False, lines=(f"{', '.join(kept)} is not released; nvkeep holders, then: nvkeep setup --undo",))
    _unboot(host, before)
    problem = _files(host, before)
    if problem:
        return Ended(well=False, lines=(problem,))
    if gone := _gone(host, before):
        journals = " ".join(f"-u {name}" for name in gone)
        return Ended(well=False, lines=(f"{', '.join(gone)} ran before and does not start; journalctl {journals}",))
    steps.finish(host, digest)
    return Ended(well=True, lines=("as it was",))


def _end(host: Host, before: Record) -> None:
    """Stop what did not run before; the services that this host took since then are released first."""
    ended = [name for name in (TIMER, UNIT, AGENT) if not before.units[name].active and _runs(host, name)]
    if not before.units[HAND_OVER].active and _runs(host, HAND_OVER):
        _hand_over(host)
    if AGENT in ended:
        ended += [name for name in BESIDE if _runs(host, name)]
    if ended:
        _run(host, "systemctl", "stop", "--", *ended)
    if not before.units[AGENT].active:
        host.remove(LEAVING)


def _hand_over(host: Host) -> None:
    """Stop the unit whose stop drains this host; it refuses that outside of a shutdown, for as long as nobody permits it."""
    host.write(PERMIT, "[Unit]\nRefuseManualStop=no\n")
    try:
        _run(host, "systemctl", "daemon-reload")
        with suppress(CommandError):  # it is looked at what is still here
            _run(host, "systemctl", "stop", "--", HAND_OVER)
        host.run(("systemctl", "reset-failed", "--", HAND_OVER), 10.0)
    finally:
        host.remove(PERMIT)
        host.run(("rmdir", "--", PERMIT.rpartition("/")[0]), 10.0)
        _run(host, "systemctl", "daemon-reload")


def _unboot(host: Host, before: Record) -> None:
    for name in (*OURS, UNIT):
        there = is_enabled(host, name)
        if there != before.units[name].enabled:
            _run(host, "systemctl", "disable" if there else "enable", "--", name)


def _files(host: Host, before: Record) -> str:
    """Put the files back that are still as this setup wrote them; say what keepalived says against it."""
    files = Files(*(_earlier(host, path, before.texts[path]) for path in (CONF, PART)))
    same = files == Files(written(host, CONF), written(host, PART))
    problem = "" if same else installer.restore(host, files)
    for path, text in before.texts.items():
        if path not in (CONF, PART):
            _put(host, path, _earlier(host, path, text))
    return problem


def _earlier(host: Host, path: str, text: Text) -> str | None:
    """Give what belongs into a file: what somebody has written by hand since then stays."""
    now = written(host, path)
    return text.before if now == text.ours else now


def _gone(host: Host, before: Record) -> tuple[str, ...]:
    """Start what ran before and does not any more, once; name what does not run then either. Raises ProbeError."""
    gone = [name for name in (*OURS, UNIT) if before.units[name].active and not _stays(host, name)]
    if gone:
        host.run(("systemctl", "reset-failed", "--", *gone), 10.0)  # it may have died too often to be started again
        host.run(("systemctl", "start", "--", *gone), RELEASE_LIMIT_S)  # it is looked at what runs
        host.sleep(installer.SETTLE_S)
    return tuple(name.removesuffix(".service") for name in gone if not _stays(host, name))


def _stays(host: Host, name: str) -> bool:
    """Return whether a unit runs; one that dies and is started again and again is only ever about to."""
    return unit.read(host, name).active in ("active", "reloading")


def _put(host: Host, path: str, text: str | None) -> None:
    if text is None:
        host.remove(path)
    elif text != written(host, path):
        host.write(path, text, durable=True)


def _runs(host: Host, name: str) -> bool:
    return unit.read(host, name).active in RUNS


def _run(host: Host, *argv: str) -> None:
    done = host.run(argv, RELEASE_LIMIT_S)
    if done.code:
        raise CommandError(argv, done.code, done.err)
