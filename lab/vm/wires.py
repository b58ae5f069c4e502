"""The network of the machines, in a network namespace of its own: two bridges, and a tap for each end of a cable."""

from __future__ import annotations

from lab.commands import run
from lab.network import GATEWAY, Net
from lab.vm import places

SERVICE = Net("eth0", 87)  # clients, and the way to the storage
REPLICATION = Net("eth1", 88)  # between the two hosts: DRBD
NETS = (SERVICE, REPLICATION)


def make() -> None:
    """Create the namespace with its bridges."""
    places.NAMESPACE.parent.mkdir(parents=True, exist_ok=True)
    places.NAMESPACE.touch()
    run(("unshare", f"--net={places.NAMESPACE}", "true"))
    lines = ["link set lo up"]
    for net in NETS:
        # A fixed MAC: a bridge's own one changes with its ports, which would flush every ARP cache that knows it.
        bridge = (
            f"link add br-{net.interface} address {net.mac(GATEWAY)} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        )
        lines += [bridge, f"addr add {net.address(GATEWAY)}/24 dev br-{net.interface}", f"link set br-{net.interface} up"]
    _batch(lines)


def plug(machine: str, nets: tuple[Net, ...]) -> None:
    """Make the taps of one machine; QEMU finds them by name."""
    for net in nets:
        name = tap(machine, net)
        _batch([f"tuntap add mode tap {name}", f"link set {name} master br-{net.interface} up"])


def unplug(machine: str, nets: tuple[Net, ...]) -> None:
    """Take the taps of one machine away, if it has any; it must be off."""
    for net in nets:
        run((*enter(), "ip", "link", "delete", tap(machine, net)), check=False)


def cut(machine: str, net: Net) -> None:
    """Have the switch forward nothing to or from one machine; the machine still has carrier."""
    _batch([f"link set {tap(machine, net)} nomaster"])


def heal(machine: str, net: Net) -> None:
    """Undo `cut`."""
    _batch([f"link set {tap(machine, net)} master br-{net.interface}"])


def tap(machine: str, net: Net) -> str:
    """Return the name of the outer end of a cable; the kernel allows 15 characters."""
    return f"{machine}-{net.interface}"


def enter() -> tuple[str, ...]:
    """Return the words that run a command outside the machines but inside their network."""
    return ("nsenter", f"--net={places.NAMESPACE}")


def remove() -> None:
    """Remove the namespace; the kernel takes the links with it."""
    if places.NAMESPACE.exists():
        run(("umount", "--lazy", str(places.NAMESPACE)), check=False)
        places.NAMESPACE.unlink()


def _batch(lines: list[str]) -> None:
    run((*enter(), "ip", "-batch", "-"), feed="".join(f"{line}\n" for line in lines))
