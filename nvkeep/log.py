"""What nvkeep did, for people and for machines: the journal (with fields), and the two files administrators know.

Only the engine, the passes and the agent log. A log that cannot be written never stops anything: a thread of its own writes,
and what it cannot write in time is lost.
"""

import atexit
import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from queue import Full, Queue
from typing import Any

from nvkeep.errors import clean
from nvkeep.host import Completed
from nvkeep.model.history import HISTORY, HISTORY_BYTES, OLDER
from nvkeep.model.plan import Verb
from nvkeep.model.report import SETTLED, Outcome, Word

JOURNAL = "/run/systemd/journal/socket"
DIRECTORY = "/var/log/nvkeep"
ACTIONS, EVENTS = "actions.log", "event_handler.log"
PRIORITY = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 5, logging.DEBUG: 7}

REPEAT_S = 60.0  # until the same error is written again
MOST_WAITING = 10_000  # lines; a disk that answers never has one waiting
FLUSH_LIMIT_S, FLUSH_INTERVAL_S = 2.0, 0.002

logger = logging.getLogger("nvkeep")
events = logging.getLogger("nvkeep.events")
passes = logging.getLogger("nvkeep.history")


class Journal(logging.Handler):
    """Sends records with their fields by journald's native protocol (systemd.journal-fields)."""

    def __init__(self) -> None:
        super().__init__()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one datagram; what journald does not take at once is dropped."""
        fields = {
            "MESSAGE": record.getMessage(),
            "PRIORITY": PRIORITY.get(record.levelno, 6),
            "SYSLOG_IDENTIFIER": "nvkeep",
        }
        fields |= {f"NVKEEP_{key.upper()}": value for key, value in getattr(record, "fields", {}).items()}
        text = "".join(f"{key}={_one_line(str(value))}\n" for key, value in fields.items())
        self.socket.sendto(text.encode(), socket.MSG_DONTWAIT, JOURNAL)


class File(logging.Handler):
    """Appends lines to a file that logrotate may take away at any time."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line with one write(2); a full disk loses the line, nothing else."""
        when = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        self.append(f"{when}: {_one_line(record.getMessage())}\n")

    def append(self, line: str) -> None:
        """Write a line at the end."""
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)


def _one_line(text: str) -> str:
    """Make one line that holds no control character and no half of one: names of others' are in it."""
    return clean(text.replace("\n", " | "))


class Lines(File):
    """Appends lines as they are to a file of so many bytes; when it is full it becomes the older one, and a new one begins."""

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line with one write(2)."""
        with contextlib.suppress(FileNotFoundError):
            self._make_room()
        self.append(f"{_one_line(record.getMessage())}\n")

    def _make_room(self) -> None:
        """Begin a new file; of several processes that see a full one, one does."""
        handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            seen, now = os.fstat(handle), os.stat(self.path)  # noqa: PTH116 - as everywhere in this file
            if seen.st_ino == now.st_ino and seen.st_size > HISTORY_BYTES:
                os.replace(self.path, OLDER)  # noqa: PTH105
        finally:
            os.close(handle)


class Behind(logging.Handler):
    """Hands records to a thread that writes them, so that a disk which does not answer keeps nobody waiting."""

    def __init__(self, *handlers: logging.Handler) -> None:
        super().__init__()
        self.handlers = handlers
        self.errors: dict[str, float] = {}
        self.waiting: Queue[logging.LogRecord] = Queue(MOST_WAITING)
        threading.Thread(target=self._write, daemon=True).start()
        atexit.register(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        """Let a record be written; lost where too many wait, and an error that lasts is written once a minute."""
        if record.levelno >= logging.ERROR and self._lasts(record):
            return
        with contextlib.suppress(Full):
            self.waiting.put_nowait(record)

    def _lasts(self, record: logging.LogRecord) -> bool:
        """Return whether the same was logged a moment ago."""
        self.errors = {text: at for text, at in self.errors.items() if record.created - at < REPEAT_S}
        return self.errors.setdefault(record.getMessage(), record.created) != record.created

    def _write(self) -> None:
        while True:
            record = self.waiting.get()
            for handler in self.handlers:
                with contextlib.suppress(Exception):  # a full disk, a socket that is gone, a text that is none
                    handler.emit(record)
            self.waiting.task_done()

    def flush(self, deadline: float | None = None) -> None:
        """Wait until all is written, but not for a disk that does not answer."""
        deadline = deadline or time.monotonic() + FLUSH_LIMIT_S
        while self.waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(FLUSH_INTERVAL_S)


def setup(*, quiet: bool = False) -> None:
    """Send everything to the journal (stderr where there is none), actions and events to their files."""
    logging.raiseExceptions = False
    logger.setLevel(logging.INFO)
    logger.propagate = events.propagate = passes.propagate = False
    if not Path(DIRECTORY).is_dir():
        with contextlib.suppress(OSError):
            Path(DIRECTORY).mkdir(mode=0o750, parents=True, exist_ok=True)
    main = Journal() if Path(JOURNAL).exists() else logging.NullHandler() if quiet else logging.StreamHandler(sys.stderr)
    logger.handlers = [Behind(main, File(f"{DIRECTORY}/{ACTIONS}"))]
    for beside, handler in ((events, File(f"{DIRECTORY}/{EVENTS}")), (passes, Lines(HISTORY))):
        beside.setLevel(logging.INFO)
        beside.handlers = [Behind(handler)]


def flush() -> None:
    """Wait until all is written, before this process ends without a word; not for a disk that does not answer."""
    deadline = time.monotonic() + FLUSH_LIMIT_S
    for handler in (*logger.handlers, *events.handlers, *passes.handlers):
        if isinstance(handler, Behind):
            handler.flush(deadline)


def step(service: str, key: str, done: Completed, seconds: float) -> None:
    """Log one command: what was run, how it ended, how long it took."""
    text = f"{service}: {key}: `{' '.join(done.argv)}` ended with {done.code} in {seconds:.3f} s"
    text += f": {done.err.strip()}" if done.code and done.err.strip() else ""
    fields = {
        "service": service,
        "resource": key,
        "command": " ".join(done.argv),
        "code": done.code,
        "seconds": f"{seconds:.3f}",
    }
    logger.log(logging.WARNING if done.code else logging.INFO, "%s", text, extra={"fields": fields})


def outcome(service: str, verb: Verb, seen: Outcome) -> None:
    """Log how one resource stands after a move."""
    level = logging.INFO if seen.word in SETTLED else logging.WARNING if seen.word is Word.CONVERGING else logging.ERROR
    text = f"{service}: {seen.key}: {verb}: {seen.word} in {seen.seconds:.3f} s ({seen.reason})"
    fields = {
        "service": service,
        "resource": seen.key,
        "verb": verb,
        "word": seen.word,
        "seconds": f"{seen.seconds:.3f}",
    }
    logger.log(level, "%s", text, extra={"fields": fields})


def note(text: str, level: int = logging.INFO, **fields: object) -> None:
    """Log one sentence."""
    logger.log(level, "%s", text, extra={"fields": fields})


def history(entry: dict[str, Any]) -> None:
    """Keep the entry of a pass, with the command that made it: in the history, and as a line of the journal with fields."""
    entry = entry | {"by": " ".join(["nvkeep", *sys.argv[1:]])}
    passes.info("%s", json.dumps(entry, default=str))
    kept = ("id", "service", "role", "holder", "line", "did", "settled", "seconds", "by")
    text = f"{entry['service']}: {entry['did']}: {entry['why']}; nvkeep history {entry['id']}"
    logger.info("%s", text, extra={"fields": {key: entry[key] for key in kept}})


def event(line: str) -> None:
    """Log one line of keepalived's FIFO as it came."""
    events.info("%s", line)
