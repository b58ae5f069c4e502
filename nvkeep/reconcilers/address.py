"""The kind `address`: a floating address on its interface, and the neighbours told."""

from dataclasses import dataclass

from nvkeep.host import Host
from nvkeep.model.spec import IPV6, Address
from nvkeep.probes import address as probe
from nvkeep.reconcilers.base import Kind, Steps, steps

TIMEOUT = 5.0  # seconds; these commands only talk to the kernel


@dataclass(frozen=True)
class AddressState:
    """Where the address is; `phase` is what duplicate address detection says: usable, tentative or duplicate."""

    interface: str
    prefix: int
    label: str | None
    phase: str = "usable"


class AddressKind(Kind[Address, AddressState]):
    """On the right interface, with the right prefix and label, and nowhere else."""

    name = "address"

    def observe(self, host: Host, spec: Address) -> AddressState | None:
        """Look on all interfaces: a copy in a wrong place is told before one in the right place."""
        here = [_state(entry, spec) for entry in probe.read(host) if entry.address == str(spec.address.ip)]
        wrong = [state for state in here if state != self.desired(spec)]
        return next(iter(wrong or here), None)

    def desired(self, spec: Address) -> AddressState:
        """Give the state asked for; without a label the kernel uses the interface's name."""
        label = None if spec.address.version == IPV6 else spec.label or spec.interface
        return AddressState(spec.interface, spec.address.network.prefixlen, label)

    def acquire(self, spec: Address) -> Steps:
        """Add, then tell the neighbours. IPv6 without DAD: the guard and the volume have decided whose it is."""
        family, rest = ("-6", ("nodad",)) if spec.address.version == IPV6 else ("-4", ("label", spec.label or spec.interface))
        command = ("ip", family, "addr", "replace", str(spec.address), "dev", spec.interface, *rest)
        return steps(command, ("nvkeep", "announce", spec.interface, str(spec.address.ip)), timeout=TIMEOUT)

    def release(self, spec: Address, have: AddressState) -> Steps:
        """Remove exactly what is there: another prefix or interface than asked for is another address to the kernel."""
        return steps(("ip", "addr", "del", f"{spec.address.ip}/{have.prefix}", "dev", have.interface), timeout=TIMEOUT)

    def pending(self, have: AddressState | None, *, leaving: bool) -> bool:
        """Tentative: duplicate address detection still asks around."""
        return have is not None and not leaving and have.phase == "tentative"


def _state(entry: probe.Entry, spec: Address) -> AddressState:
    label = None if spec.address.version == IPV6 else entry.label
    return AddressState(entry.interface, entry.prefix, label, entry.phase)
