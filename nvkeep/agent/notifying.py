"""Tells somebody: runs the command under `notify:` once for each change of a service, in a thread of its own.

It goes by what passes have recorded, so no pass ever waits for it; what was sent is on record, so a new agent does not send it
again. The command gets three words: the event, the service, and a file with what `nvkeep status --json` says.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from nvkeep import log
from nvkeep.core.scope import Scope
from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, last, load
from nvkeep.model.notice import Event, Known, Seen, news, serving, trouble
from nvkeep.model.spec import Cluster
from nvkeep.model.timers import BACKOFF_FIRST_S
from nvkeep.state.files import RUN, VAR, written
from nvkeep.status.service import service_status

LOOK_S = 2.0
ASK_S, ANSWER_TIMEOUT_S = 30.0, 0.5  # between two questions whether another host is there, and for its answer


class Notifying:
    """What was sent of each service of this host; times are seconds since boot."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.known: dict[str, Known] = {}
        self.unready_since: dict[str, float] = {}
        self.absent: set[str] = set()  # hosts that answer on none of their heartbeats
        self.asked_at = -math.inf

    def run(self, cluster: Callable[[], Cluster | None]) -> None:
        """Look for ever."""
        while True:
            self.host.sleep(LOOK_S)
            known = cluster()
            if known and known.notify:
                self._try(partial(self.ask, known))
                for service in known.services_of(self.host.name):
                    self._try(partial(self._look, known, service))

    def _look(self, cluster: Cluster, service: str) -> None:
        self.look(Scope(self.host, cluster, service))

    def _try(self, do: Callable[[], None]) -> None:
        """Do it; the trouble of one service is no other's."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 - a notice that fails must not end the thread
            log.note(f"cannot notify: {type(error).__name__}: {error}", logging.ERROR)

    def ask(self, cluster: Cluster) -> None:
        """Ask for the other hosts now and then, by ARP or neighbour discovery: one that is dead tells nobody so itself."""
        now = self.host.now()
        if now < self.asked_at + ASK_S:
            return
        self.asked_at = now
        for name, member in cluster.hosts.items():
            beats = zip(cluster.hosts[self.host.name].heartbeats, member.heartbeats, strict=True)
            if name == self.host.name or any(self._answers(mine.interface, str(its.address)) for mine, its in beats):
                self.absent.discard(name)
            else:
                self.absent.add(name)

    def _answers(self, interface: str, address: str) -> bool:
        with suppress(OSError, ValueError):
            return self.host.answers(interface, address, ANSWER_TIMEOUT_S)
        return False

    def look(self, scope: Scope) -> None:
        """Send what is new of one service; before the first pass of this boot nothing is known.

        What was sent is remembered here as well: a full disk must not have it sent again and again. Where nothing is on record,
        `notify:` is new, and a service that is here is no takeover.
        """
        report = scope.store.report()
        if not report:
            return
        known = self.known.get(scope.service) or recorded(self.host, scope.service) or Known(serving=bool(serving(report)))
        events, now = news(known, self._seen(scope, known))
        for event in events:
            send(scope, event, self._detail(scope) if event is Event.NOT_READY else "")
        if now != self.known.get(scope.service):
            self.known[scope.service] = now
            written(self.host, f"{VAR}/notified/{scope.service}", json.dumps(now._asdict()))

    def _seen(self, scope: Scope, known: Known) -> Seen:
        report, timers, now = scope.store.report(), scope.store.timers(), self.host.now()
        after = scope.cluster.notify.after if scope.cluster.notify else 0.0
        since = self._unready_since(scope, report, now - after if known.trouble == Event.NOT_READY else now)
        word = trouble(
            report,
            held=_held(scope),
            fenced=scope.store.fencing().taken,
            yielding=timers.patience > BACKOFF_FIRST_S,
            unready_for=now - since if since else 0.0,
            after=after,
        )
        return Seen(word, serving(report))

    def _unready_since(self, scope: Scope, report: Mapping[str, Any], begin: float) -> float:
        """Return since when this host cannot take over, or, where it serves, another one is not there; 0: it is all well.

        `begin`: what to begin with; an agent that was started anew goes on with what was sent before.
        """
        if scope.store.claimed():
            lacks = any(name in self.absent for name in scope.spec.hosts)
        else:
            lacks = not report.get("eligible") and scope.spec.mode == "act" and not self._by_hand(scope)
        since = (self.unready_since.get(scope.service) or begin) if lacks else 0.0
        self.unready_since[scope.service] = since
        return since

    def _detail(self, scope: Scope) -> str:
        """Say what it is about, where the status of this host does not."""
        gone = [name for name in scope.spec.hosts if name in self.absent]
        return f"{' and '.join(gone)} answers on no heartbeat" if gone and scope.store.claimed() else ""

    def _by_hand(self, scope: Scope) -> bool:
        """Return whether somebody has chosen that this host takes nothing: that is no news to them."""
        try:
            return bool(scope.overrides.in_force(scope.service))
        except ProbeError:
            return False


def _held(scope: Scope) -> bool:
    try:
        return scope.store.held() is not None
    except ProbeError:
        return True


def recorded(host: Host, service: str) -> Known | None:
    """Read what was sent last; None where nothing is on record that can be read."""
    try:
        record = load(host.read(f"{VAR}/notified/{service}"))
        return Known(str(record["trouble"]), bool(record["serving"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def send(scope: Scope, event: Event, detail: str = "") -> str:
    """Run the command for one event; say how it ended, and log it."""
    notify, file = scope.cluster.notify, f"{RUN}/notice/{scope.service}.{event}.json"
    if notify is None:
        return f"{scope.service}: {event}: cluster.yaml has no `notify:`"
    try:
        status = asdict(service_status(scope)) | {"event": event, "detail": detail, "journal": ()}  # which not all may read
        scope.host.write(file, json.dumps(status, indent=2))
        done = scope.host.run((*notify.command, event, scope.service, file), notify.timeout)
        failed = f"`{' '.join(notify.command)}` ended with {done.code}: {last(done.err)}" if done.code else ""
    except (NvkeepError, OSError) as error:
        failed = str(error)
    text = f"{scope.service}: {event}: {f'{failed}; nvkeep notify --test' if failed else 'notified'}"
    log.note(text, logging.ERROR if failed else logging.INFO)
    return text
