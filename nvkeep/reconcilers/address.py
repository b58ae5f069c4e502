"""The kind `address`: a floating address on its interface, announced to the neighbours."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import partial

from nvkeep.host import Host
from nvkeep.model.finding import FindingCode, Found, Lack, looked
from nvkeep.model.frozen import frozen
from nvkeep.model.spec import IPV6, Address
from nvkeep.probes import address as probe
from nvkeep.probes import carrier
from nvkeep.reconcilers.base import Kind, Steps, steps

COMMAND_TIMEOUT_S = 5.0  # these commands only talk to the kernel
ANSWER_WITHIN_S = 0.1  # a neighbour answers for its address within milliseconds


@frozen
class AddressState:
    """Where it is. `phase`: usable, tentative or duplicate; `elsewhere`: copies in wrong places (interface, prefix).

    `carries`: interfaces on which the kernel would remove others' addresses together with this one.
    """

    interface: str
    prefix: int
    label: str | None
    phase: str = "usable"
    elsewhere: tuple[tuple[str, int], ...] = ()
    carries: tuple[str, ...] = field(default=(), compare=False)


class AddressKind(Kind[Address, AddressState]):
    """On the right interface, with the right prefix and label, and nowhere else."""

    name = "address"
    title = "FLOATING IP"
    turn = 0

    def observe(self, host: Host, spec: Address) -> AddressState | None:
        """Look on all interfaces; the copy that is most like the desired one is the address, the others are elsewhere."""
        every = probe.read(host)
        copies = [entry for entry in every if entry.address == str(spec.address.ip)]
        if not copies:
            return None
        wanted = (spec.interface, spec.address.network.prefixlen)
        best = next((entry for entry in copies if (entry.interface, entry.prefix) == wanted), copies[0])
        label = None if spec.address.version == IPV6 else best.label
        elsewhere = tuple((entry.interface, entry.prefix) for entry in copies if entry is not best)
        carrying = sorted({entry.interface for entry in copies if probe.carries(entry, every)})
        carries = tuple(name for name in carrying if not probe.promotes(host, name))
        return AddressState(best.interface, best.prefix, label, best.phase, elsewhere, carries)

    def desired(self, spec: Address) -> AddressState:
        """Give the state asked for; without a label the kernel uses the interface's name."""
        label = None if spec.address.version == IPV6 else spec.label or spec.interface
        return AddressState(spec.interface, spec.address.network.prefixlen, label)

    def acquire(self, spec: Address) -> Steps:
        """Add, then tell the neighbours. IPv6 without DAD: the guard and the volume have decided whose it is."""
        family, rest = ("-6", ("nodad",)) if spec.address.version == IPV6 else ("-4", ("label", spec.label or spec.interface))
        command = ("ip", family, "addr", "replace", str(spec.address), "dev", spec.interface, *rest)
        return steps(command, ("nvkeep", "announce", spec.interface, str(spec.address.ip)), timeout=COMMAND_TIMEOUT_S)

    def release(self, spec: Address, have: AddressState) -> Steps:
        """Remove exactly what is there: another prefix or interface than asked for is another address to the kernel."""
        return _remove(spec, ((have.interface, have.prefix), *have.elsewhere), have.carries)

    def adjust(self, spec: Address, have: AddressState) -> Steps:
        """Remove what is wrong and add what is right; nothing that stands on the address has to stop for that."""
        right = replace(have, phase="usable", elsewhere=()) == self.desired(spec) and have.phase != "duplicate"
        wrong = have.elsewhere if right else ((have.interface, have.prefix), *have.elsewhere)
        return _remove(spec, wrong, have.carries if wrong else ()) + self.acquire(spec)

    def called(self, spec: Address, name: str) -> str:  # noqa: ARG002 - its prefix is shown as well
        """Give interface and address."""
        return f"{spec.interface} {spec.address}"

    def pending(self, have: AddressState | None, *, leaving: bool) -> bool:
        """Tentative: duplicate address detection still asks around."""
        return have is not None and not leaving and have.phase == "tentative"

    def prerequisites(self, host: Host, specs: Sequence[Address], *, thorough: bool) -> Iterator[Found]:  # noqa: ARG002 - quick
        """Every interface is there, up, and has a carrier."""
        for name in dict.fromkeys(spec.interface for spec in specs):
            yield looked(f"INTERFACE {name}", partial(carrier.usable, host, name))

    def elsewhere(self, host: Host, spec: Address) -> Lack | str:
        """Ask the neighbours; without a carrier nobody is asked, and the interface's line says so."""
        ip = str(spec.address.ip)
        with suppress(OSError):
            if host.answers(spec.interface, ip, ANSWER_WITHIN_S):
                why = f"nobody holds the volumes, and yet somebody answers for {ip}"
                return Lack(why, f"ip neigh get {ip} dev {spec.interface}", FindingCode.ANSWERED)
        return "nobody else answers for it"


def _remove(spec: Address, copies: tuple[tuple[str, int], ...], carries: tuple[str, ...]) -> Steps:
    """Remove it where it is; others' addresses stay, because the kernel is first told to keep them."""
    keep = (("sysctl", "-qw", f"net/ipv4/conf/{interface}/promote_secondaries=1") for interface in carries)
    remove = (("ip", "addr", "del", f"{spec.address.ip}/{prefix}", "dev", interface) for interface, prefix in copies)
    return steps(*keep, *remove, timeout=COMMAND_TIMEOUT_S)
