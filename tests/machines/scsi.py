"""The commands of SCSI-3 persistent reservations, as a backend would give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.commands import until

if TYPE_CHECKING:
    from lab.vm.farm import Farm
    from lab.vm.machine import Machine

WRITE_EXCLUSIVE = 1
REGISTRANTS_ONLY = 5  # write exclusive, registrants only
CONFLICT = 24  # these are exit codes of sg3_utils
ATTENTION = 6


class Lun:
    """The volume, logged in on both hosts."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.device = farm.iscsi.connect(farm.a)
        assert farm.iscsi.connect(farm.b) == self.device

    def clear(self) -> None:
        """Remove every registration and the reservation."""
        for host in self.farm.hosts:
            self.attend(host)
        self.farm.a.run(self.register(0xF))
        self.farm.a.run(self._out("--clear", "--param-rk=0xf"))
        for host in self.farm.hosts:  # both: a map with two ways has two registrations on a host
            self.attend(host)

    def attend(self, host: Machine) -> None:
        """Take the news that another has changed the reservation: it comes instead of an answer, to one command, once."""
        until(
            lambda: host.run(self._out("--register-ignore", "--param-sark=0x0"), check=False).returncode != ATTENTION,
            within=5,
            what="news",
        )

    def register(self, key: int) -> tuple[str, ...]:
        """Return the command that registers a key, whatever was registered, to outlive a power loss of the target."""
        return self._out("--register-ignore", f"--param-sark={key:#x}", "--param-aptpl")

    def unregister(self) -> tuple[str, ...]:
        """Return the command that removes the own key, and the reservation of its holder with it."""
        return self._out("--register-ignore", "--param-sark=0x0")

    def reserve(self, key: int, kind: int = REGISTRANTS_ONLY) -> tuple[str, ...]:
        """Return the command that reserves without taking from another."""
        return self._out("--reserve", f"--param-rk={key:#x}", f"--prout-type={kind}")

    def preempt(self, key: int, other: int, kind: int = REGISTRANTS_ONLY) -> tuple[str, ...]:
        """Return the command that takes from the holder of a key, and aborts what it has under way."""
        return self._out("--preempt-abort", f"--param-rk={key:#x}", f"--param-sark={other:#x}", f"--prout-type={kind}")

    def release(self, key: int, kind: int = REGISTRANTS_ONLY) -> tuple[str, ...]:
        """Return the command that gives the reservation back; the key stays registered."""
        return self._out("--release", f"--param-rk={key:#x}", f"--prout-type={kind}")

    def ask(self, what: str) -> tuple[str, ...]:
        """Return the command that asks: read-keys, read-reservation, read-full-status, report-capabilities."""
        return ("sg_persist", "--no-inquiry", "--in", f"--{what}", self.device)

    def hold(self, host: Machine, key: int, kind: int = REGISTRANTS_ONLY) -> None:
        """Register and reserve."""
        host.run(self.register(key))
        host.run(self.reserve(key, kind))

    def holder(self, host: Machine) -> int | None:
        """Return the key that holds."""
        said = host.run(self.ask("read-reservation")).stdout
        return next((int(line.split("=")[1], 16) for line in said.splitlines() if line.strip().startswith("Key=")), None)

    def _out(self, *words: str) -> tuple[str, ...]:
        return ("sg_persist", "--no-inquiry", "--out", *words, self.device)
