"""What must outlive a process. Files are replaced whole; a file that cannot be read is unknown, never a default.

Which file is whose, and how long it lasts: docs/reference.md. What cannot be written to /var/lib (a full or read-only disk) is
kept under /run, so that this boot at least knows it.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from nvkeep.errors import ProbeError
from nvkeep.host import Host, load
from nvkeep.model.fencing import Fencing, rebooted
from nvkeep.model.report import SETTLED, Report
from nvkeep.model.role import Role
from nvkeep.model.timers import Blocked, Timers
from nvkeep.state.files import RUN, VAR, written
from nvkeep.state.once import Once
from nvkeep.state.shapes import loss, timers, whole

BOOT_ID = r"[0-9a-f-]{36}/\d+"
LOCK_WAIT_S = 120.0  # a pass waits for another one; longer than a step
PASS_WAIT_S = 30.0  # the agent does, which makes another soon


class Store:
    """The files of one service on one host."""

    def __init__(self, host: Host, service: str) -> None:
        self.host, self.service = host, service
        self.own = Once(host)  # all but what is asked of a person: written by whoever holds the lock

    @contextmanager
    def lock(self, timeout: float | None = None) -> Iterator[None]:
        """Keep other passes over this service away. Raises Busy."""
        with self.host.lock(f"{RUN}/lock/{self.service}", LOCK_WAIT_S if timeout is None else timeout), self.own.alone():
            yield

    def claimed(self) -> bool:
        """Return whether this boot took the service and has not released it; a claim that cannot be read counts as one."""
        try:
            claim = self.own.read(f"{RUN}/claim/{self.service}").strip()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return claim == self.host.boot_id() or not re.fullmatch(BOOT_ID, claim)

    def serving(self, within: float) -> bool:
        """Return whether this boot holds the service when a pass that is under way has ended. Raises Busy."""
        if self.claimed():
            return True
        with self.lock(within):
            return self.claimed()

    def claim(self, *, held: bool) -> None:
        """Record that this boot holds the service, or does no longer."""
        if held == self.claimed():
            return
        if held:
            self._keep(f"{RUN}/claim/{self.service}", f"{self.host.boot_id()}\n")
        else:
            self._drop(f"{RUN}/claim/{self.service}")

    def timers(self) -> Timers:
        """Read the times of this boot; unreadable ones only cost a wait, so they are none."""
        try:
            return timers(self.own.read(f"{RUN}/standing/{self.service}"))
        except (OSError, ValueError):
            return Timers()

    def save_timers(self, timers: Timers) -> None:
        """Record the times of this boot."""
        if timers != self.timers():
            known = {name: value for name, value in vars(timers).items() if value}  # a version that knows less reads it too
            self._keep(f"{RUN}/standing/{self.service}", json.dumps(known))

    def fencing(self) -> Fencing:
        """Read the fencing record; no record, or one that cannot be read, counts as having been fenced just now."""
        now, boot = self.host.now(), self.host.boot_id()
        record = self._read(f"{RUN}/loss/{self.service}") or self._read(f"{VAR}/loss/{self.service}")
        try:
            fencing = loss(record["loss"]) if isinstance(record, dict) else Fencing(1, now, None, now, assumed=True)
            return fencing if isinstance(record, dict) and record["boot"] == boot else rebooted(fencing, now)
        except (TypeError, KeyError):
            return Fencing(1, now, None, now, assumed=True)

    def save_fencing(self, fencing: Fencing) -> None:
        """Record it so that it survives a power cut, and where that cannot be written, this boot. Raises OSError then."""
        self._survive("loss", {"loss": vars(fencing), "boot": self.host.boot_id()})

    def _survive(self, name: str, wanted: dict[str, Any]) -> None:
        path, stopgap = f"{VAR}/{name}/{self.service}", f"{RUN}/{name}/{self.service}"
        if self._read(path) != wanted:
            try:
                self.own.write(path, json.dumps(wanted), durable=True)
            except OSError:
                self.own.write(stopgap, json.dumps(wanted))
                raise
        if self.host.exists(stopgap):
            self.own.remove(stopgap)

    def held(self) -> Blocked | None:
        """Read why the service is held. Raises ProbeError when that cannot be read."""
        for path in (f"{RUN}/held/{self.service}", f"{VAR}/held/{self.service}"):
            try:
                record = load(self.host.read(path))
                return Blocked(str(record["key"]), str(record["why"]), str(record["since"]))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ProbeError(f"{path} cannot be read: {error}; nvkeep reset {self.service}") from error
        return None

    def hold(self, held: Blocked) -> None:
        """Record that the service is held, until `reset`. Raises OSError when only this boot knows it."""
        self._survive("held", asdict(held))

    def starts(self) -> tuple[float, ...]:
        """Read when the service was started here; what cannot be read costs another try, so it is none."""
        record = self._read(f"{RUN}/starts/{self.service}")
        return tuple(start for start in record if isinstance(start, int | float)) if isinstance(record, list) else ()

    def save_starts(self, starts: tuple[float, ...]) -> None:
        """Record when the service was started here."""
        self._keep(f"{RUN}/starts/{self.service}", json.dumps(starts))

    def reset(self) -> None:
        """Forget what keeps this host from starting the service: held, starts, cool-down, patience, the fencing record."""
        for path in (f"{RUN}/held", f"{VAR}/held", f"{RUN}/starts", f"{RUN}/standing"):
            self.own.remove(f"{path}/{self.service}")
        self.save_fencing(Fencing())

    def flag(self) -> bool:
        """Read the flag as keepalived does: anything but 1 is 0."""
        try:
            return self.host.read(flag_path(self.service)).strip() == "1"
        except OSError:
            return False

    def save_flag(self, *, up: bool) -> None:
        """Write the flag that keepalived tracks; where 0 cannot be written (a full disk), remove it: missing is 0 as well."""
        path = flag_path(self.service)
        if up == self.flag() and self.host.exists(path):
            return
        if not self._keep(path, "1\n" if up else "0\n") and not up:
            self._drop(path)

    def manual_role(self) -> Role | None:
        """Read the role set by hand. Raises ProbeError when it cannot be read."""
        try:
            return Role(self.host.read(f"{RUN}/role/{self.service}").strip())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ProbeError(f"{RUN}/role/{self.service}: {error}; nvkeep role {self.service} --unset") from error

    def set_role(self, role: Role | None) -> None:
        """Set a role by hand, or give it back to keepalived."""
        if role is None:
            self.host.remove(f"{RUN}/role/{self.service}")
        else:
            self.host.write(f"{RUN}/role/{self.service}", f"{role}\n")

    def save_report(self, report: Report) -> None:
        """Keep the last pass for `nvkeep status`."""
        record = vars(report) | {"at": self.host.now(), "boot": self.host.boot_id()}
        text = json.dumps(record | {"outcomes": [vars(outcome) for outcome in report.outcomes]}, default=str)
        self._keep(f"{RUN}/report/{self.service}", text)

    def report(self) -> dict[str, Any]:
        """Read the last pass of this boot; empty when there is none, or none that can be read."""
        record = self._read(f"{RUN}/report/{self.service}")
        return record if isinstance(record, dict) and record.get("boot") == self.host.boot_id() and whole(record) else {}

    def settled_before(self) -> set[str]:
        """Name what stood well after the last pass."""
        settled = {str(word) for word in SETTLED}
        return {outcome["key"] for outcome in self.report().get("outcomes", ()) if outcome["word"] in settled}

    def _keep(self, path: str, text: str) -> bool:
        """Write what a pass can go on without: a disk that is full or read-only stops nobody who serves (see unwritable)."""
        return written(self.own, path, text)

    def _drop(self, path: str) -> None:
        with suppress(OSError):
            self.own.remove(path)

    def _read(self, path: str) -> object:
        try:
            return load(self.own.read(path))
        except (OSError, ValueError):
            return None


def flag_path(service: str) -> str:
    """Name the flag file that keepalived tracks for a service."""
    return f"{RUN}/eligible/{service}"
