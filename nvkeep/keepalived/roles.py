"""Asking the keepalived that runs here for the role of every instance."""

from collections.abc import Callable
from typing import NamedTuple

from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.keepalived import written
from nvkeep.keepalived.dump import Words, parse, parse_text, received
from nvkeep.keepalived.names import CHILD_PID, PARENT_PID
from nvkeep.model.role import Roles
from nvkeep.state.files import RUN

PIDS = ((PARENT_PID, CHILD_PID), ("/run/keepalived/keepalived.pid", "/run/keepalived/vrrp.pid"))  # usual; with use_pid_dir
ANSWER_TIMEOUT_S = 1.0  # an answer takes about one millisecond
ONLY_ROOT = "only root may ask keepalived; run it as root"
SIGUSR1 = 10


class Process(NamedTuple):
    """A keepalived that runs: its parent process, and which vrrp process of which boot answers for it."""

    pid: int
    child: str
    ident: str


class Way(NamedTuple):
    """A way to ask: the signal, the file that is written then, and how to read it.

    Text does not tell where it ends: it counts when it was the same twice. JSON that is not whole does not parse.
    """

    number: int
    file: str
    read: Callable[[str], Words]
    pause: float
    twice: bool


ways: dict[str, Way] = {}  # by Process.ident


def ask_now(host: Host) -> Roles:
    """Ask keepalived for the role of every instance. Raises nothing: no answer is an answer, with the reason.

    A signal makes keepalived write what it knows; the file is renamed into place before it is complete, and the last one stays
    for ever, so it is removed first and read until it parses. The answer is tied to this boot, keepalived's pid and start time.
    """
    try:
        process = running(host)
        way = ways.get(process.ident) or _way(host, process)
        with host.lock(f"{RUN}/lock/.keepalived", 3.0):
            return _dump(host, process, way)
    except PermissionError:
        return Roles(why=ONLY_ROOT)
    except (OSError, ValueError, LookupError) as error:
        return Roles(why=f"keepalived does not run here ({_said(error)})")
    except NvkeepError as error:
        return Roles(why=str(error))


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def running(host: Host) -> Process:
    """Find keepalived by its pidfiles. Raises OSError or LookupError with what is wrong with the usual ones."""
    problem: Exception | None = None
    for parent, child in PIDS:
        try:
            return _process(host, parent, child)
        except PermissionError:
            raise
        except (OSError, ValueError, LookupError) as error:
            problem = problem or error
    raise problem or LookupError("no pidfile")


def directory_of(host: Host) -> str:
    """Say where the keepalived that runs here writes its answers. Raises OSError, ValueError, LookupError."""
    return written.temporary(host, running(host).pid)


def _process(host: Host, parent: str, child: str) -> Process:
    ident, pid = _ident(host, child), int(host.read(parent))
    if host.read(f"/proc/{pid}/comm").strip() != "keepalived":  # the file outlives a kill -9, and numbers are used again
        raise LookupError("its pid is another program's")
    return Process(pid, child, ident)


def _ident(host: Host, child: str) -> str:
    pid = int(host.read(child))
    started = host.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19]
    return f"{host.boot_id()}/{pid}/{started}"


def _way(host: Host, process: Process) -> Way:
    """Ask for JSON; a build without it, or one before 1.3.8, prints no number for that signal."""
    number = host.run(("keepalived", "--signum=JSON"), 2.0).out.strip()
    if number.isdigit():
        ways.clear()
        return ways.setdefault(process.ident, Way(int(number), "keepalived.json", parse, 0.002, twice=False))
    return Way(SIGUSR1, "keepalived.data", parse_text, 0.02, twice=True)


def _dump(host: Host, process: Process, way: Way) -> Roles:
    places = tuple(dict.fromkeys((written.temporary(host, process.pid), written.SHARED)))
    for place in places:
        host.remove(f"{place}/{way.file}")
    host.signal(process.pid, way.number)
    deadline, before = host.now() + ANSWER_TIMEOUT_S, ""
    while host.now() < deadline:
        host.sleep(way.pause)
        text = written.text(host, places, way.file)
        try:
            words = way.read(text)
        except ValueError:
            continue
        if way.twice and text != before:
            before = text
            continue
        same = process.ident == _ident(host, process.child)
        return (
            Roles(words, process.ident, received=received(text))
            if same
            else Roles(why="keepalived restarted while nvkeep was asking")
        )
    beside = written.planted(host, places, way.file)
    return Roles(why=f"keepalived (pid {process.pid}) does not answer within {ANSWER_TIMEOUT_S:g} s{beside}")
