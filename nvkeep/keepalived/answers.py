"""Who asks keepalived shares its answers: each costs it a file, and the journal a line."""

import threading
import time

from nvkeep.host import Host
from nvkeep.keepalived.roles import ask_now, running
from nvkeep.model.role import Roles

HOLDS_S = 900.0  # for which an answer may hold: FIFOs were seen to be removed

turns: dict[str, threading.Lock] = {}  # by host
answers: dict[str, tuple[float, Roles]] = {}  # by host: the last one, and when it was asked for (CLOCK_MONOTONIC)
quiet: dict[str, float] = {}  # by host: since when its FIFO said nothing (CLOCK_MONOTONIC), where this process hears that


def heard(host: Host, *, deaf: bool = False) -> None:
    """Note that something was heard of keepalived, or that it cannot be heard any more: from now on an answer is none."""
    if deaf:
        quiet.pop(host.name, None)
    else:
        quiet[host.name] = time.monotonic()


def ask(host: Host, *, anew: bool = True) -> Roles:
    """Ask keepalived for the role of every instance. Raises nothing: no answer is an answer, with the reason.

    Several threads of this process that ask at once share one answer: one that was asked for after each of them came. Each
    answer costs keepalived a file, and the journal a line; not `anew`: one since which nothing was heard will do.
    """
    came = time.monotonic()
    with turns.setdefault(host.name, threading.Lock()):
        if answers.get(host.name, (0.0,))[0] < came and (anew or not _holds(host, came)):
            answers[host.name] = (time.monotonic(), ask_now(host))
        return answers[host.name][1]


def _holds(host: Host, now: float) -> bool:
    """Return whether the last answer is that of the keepalived that runs, which has said nothing since."""
    asked, roles = answers.get(host.name, (0.0, Roles()))
    if not roles.words or not quiet.get(host.name, now) < asked or now - asked > HOLDS_S:
        return False
    try:
        return running(host).ident == roles.ident
    except (OSError, ValueError, LookupError):
        return False
