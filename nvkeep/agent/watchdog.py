"""Who says that this host can serve must be able to look: the agent's own watch over its threads.

It touches memory and /run alone, and its code stays in memory, so it goes on where the system's disk does not answer. A worker
that has not come back from the machine for too long (a read that hangs, a command that cannot be given up) loses the flag, so
that keepalived gives the role to a host that can make passes; a holder loses it later, because a service that runs is best left
where it is. systemd hears that all is well only while all threads come back, else it ends the agent (WatchdogSec= of
nvkeep.service) and starts it anew.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from nvkeep import log
from nvkeep.host import Host
from nvkeep.host.events import tell_systemd
from nvkeep.host.libc import stay_in_memory
from nvkeep.state.service import PASS_WAIT_S, Store

INTERVAL_S = 1.0
MARGIN_S = 15.0  # beyond the longest that one thing may take
HOLDER = 2  # times as long a holder keeps the flag


class Pulse:
    """When a thread last came back from the machine, and the longest that it may stay away (seconds)."""

    def __init__(self, host: Host) -> None:
        self.host, self.at, self.longest = host, host.now(), PASS_WAIT_S

    def beat(self) -> None:
        """Record that the thread is alive."""
        self.at = self.host.now()

    def missing(self) -> float:
        """Return for how many seconds it should have been back; 0 or less while it need not be."""
        return self.host.now() - self.at - self.longest - MARGIN_S


class _Beating:
    """A host each of whose answers is a sign of life of whoever asks."""

    def __init__(self, host: Host, beat: Callable[[], None]) -> None:
        self._host, self._beat = host, beat

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a host has
        there = getattr(self._host, name)
        if not callable(there):
            return there

        def asked(*words: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes and gives
            try:
                return there(*words, **named)
            finally:
                self._beat()

        return asked


def beating(host: Host, pulse: Pulse) -> Host:
    """Give the same host to a thread whose pulse is watched."""
    return cast("Host", _Beating(host, pulse.beat))


class Watchdog:
    """Looks at every pulse once a second; `pulses` gives those of the services, `own` is that of the agent's main thread."""

    def __init__(self, host: Host, own: Pulse, pulses: Callable[[], Mapping[str, Pulse]]) -> None:
        self.host, self.own, self.pulses = host, own, pulses

    def start(self) -> None:
        """Watch for ever, in a thread."""
        stay_in_memory()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        while True:
            if self.well():
                tell_systemd("WATCHDOG=1")
            self.host.sleep(INTERVAL_S)

    def well(self) -> bool:
        """Lower the flags of services that nobody looks after; return whether all threads are alive."""
        late = {service: max(pulse.missing(), self.own.missing()) for service, pulse in self.pulses().items()}
        for service, seconds in late.items():
            if seconds > 0:
                self._lower(service, seconds)
        return self.own.missing() <= 0 and all(seconds <= 0 for seconds in late.values())

    def _lower(self, service: str, seconds: float) -> None:
        store = Store(self.host, service)
        with suppress(OSError):
            if store.flag() and (not store.claimed() or seconds > (HOLDER - 1) * MARGIN_S):
                store.save_flag(up=False)
                log.note(f"{service}: its thread does not come back from this host, which may not have the role", 40)
