"""The lab's networks, all in a network namespace of its own: bridges, and one namespace for each server.

A server's namespace is made afresh for every boot, with its addresses already in place: a power cut takes
the addresses with it, and nothing in the server has to configure anything before keepalived may start.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import cgroups, places
from lab.commands import run

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

GATEWAY = 254
FLOATING = "10.77.0.10"
FLOODS = ("flood", "off", "mcast_flood", "off", "bcast_flood", "off")


@dataclass(frozen=True, slots=True)
class Net:
    """One network: the interface it is in every server, and its number in 10.NUMBER.0.0/24."""

    interface: str
    number: int

    def address(self, host: int) -> str:
        """Return the address of one host in this network."""
        return f"10.{self.number}.0.{host}"

    def mac(self, host: int) -> str:
        """Return a fixed MAC address, as real hardware has one."""
        return f"02:00:0a:{self.number:02x}:00:{host:02x}"


SERVICE = Net("host0", 77)
HEARTBEATS = (Net("hb0", 78), Net("hb1", 79))


class Network:
    """The bridges of the lab and the cables of the servers; `make` and `remove` bracket everything else."""

    def __init__(self, heartbeats: int = 1) -> None:
        self.nets = (SERVICE, *HEARTBEATS[:heartbeats])
        self.outside = places.NETWORK / "lab"
        self._relays: list[subprocess.Popen[bytes]] = []

    def make(self) -> None:
        """Create the lab's namespace with one bridge for each network; the service network's has the gateway."""
        _namespace(self.outside)
        lines = ["link set lo up"]
        for net in self.nets:
            # A fixed MAC: a bridge's own one changes with its ports, which would flush every ARP cache that knows it.
            mac = net.mac(GATEWAY)
            lines += [
                f"link add br-{net.interface} address {mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"addr add {net.address(GATEWAY)}/24 dev br-{net.interface}",
                f"link set br-{net.interface} up",
            ]
        self._outside(lines)

    def plug(self, server: str, host: int) -> Path:
        """Make the namespace of one server for one boot, cabled and addressed; return its path."""
        self.unplug(server)
        inside = places.NETWORK / server
        _namespace(inside)
        self._outside([line for net in self.nets for line in self._cable(net, server, host, inside)])
        lines = ["link set lo up"]
        for net in self.nets:
            lines += [f"addr add {net.address(host)}/24 dev {net.interface}", f"link set {net.interface} up"]
        lines.append(f"route add default via {SERVICE.address(GATEWAY)}")
        _batch(inside, lines)
        return inside

    def _cable(self, net: Net, server: str, host: int, inside: Path) -> list[str]:
        near = cable(server, net.interface)
        return [
            f"link add {near} type veth peer name {net.interface} address {net.mac(host)} netns {inside}",
            f"link set {near} master br-{net.interface} up",
        ]

    def unplug(self, server: str) -> None:
        """Take the cables of one server away, and with them everything it could send or answer."""
        inside = places.NETWORK / server
        if inside.exists():
            for net in self.nets:
                run((*self.enter(), "ip", "link", "delete", cable(server, net.interface)), check=False)
            _forget(inside)

    def go_dark(self, server: str) -> None:
        """Take the carrier off all networks of one server at once, as a power cut does; taking cables away takes a second."""
        self._outside([f"link set {cable(server, net.interface)} down" for net in self.nets])

    def cut(self, server: str, interface: str = SERVICE.interface, *, keep_carrier: bool = False) -> None:
        """Cut one server off one network: no carrier, or (keep_carrier) a switch that forwards nothing."""
        port = cable(server, interface)
        if keep_carrier:  # not out of the bridge: there the machine itself would hear it, and answer for the gateway
            run((*self.enter(), "bridge", "link", "set", "dev", port, "state", "0"))
        else:
            self._outside([f"link set {port} down"])

    def deafen(self, server: str, interface: str = SERVICE.interface) -> None:
        """Let one server send but not hear on one network: half a partition, which VRRP takes worst."""
        port = cable(server, interface)
        run((*self.enter(), "bridge", "link", "set", "dev", port, *FLOODS, "learning", "off"))
        self._outside([f"link set {port} type bridge_slave fdb_flush"])

    def heal(self, server: str, interface: str = SERVICE.interface) -> None:
        """Undo `cut` and `deafen`, whichever it was."""
        # Leaving the bridge and coming back is what resets the port's flags.
        port = cable(server, interface)
        self._outside([f"link set {port} nomaster", f"link set {port} master br-{interface} up"])

    def make_anew(self, server: str, host: int, interface: str) -> None:
        """Delete the interface of a running server and make it again, with its name and address, as netplan apply does."""
        net, inside = next(net for net in self.nets if net.interface == interface), places.NETWORK / server
        self._outside([f"link delete {cable(server, interface)}", *self._cable(net, server, host, inside)])
        _batch(inside, [f"addr add {net.address(host)}/24 dev {interface}", f"link set {interface} up"])

    def spoil(self, server: str, interface: str, *, loss: float, jitter: float) -> None:
        """Let a server's cable lose a share of all frames, and carry each late by up to twice `jitter` seconds (lab.relay).

        It lasts until the server boots again.
        """
        near = cable(server, interface)
        inner, outer = f"{near}-i", f"{near}-o"
        run((*self.enter(), "ip", "link", "delete", inner), check=False)  # left of an earlier boot
        # No ARP at either end of the relay: the machine itself would answer there for the gateway.
        self._outside(
            [
                f"link set {near} nomaster arp off addrgenmode none",
                f"link add {inner} type veth peer name {outer}",
                f"link set {inner} arp off addrgenmode none up",
                f"link set {outer} master br-{interface} up",
            ]
        )
        argv = (*self.enter(), sys.executable, "-m", "lab.relay", near, inner, str(loss), str(jitter))
        with (places.DISK / f"{near}.log").open("ab") as output:
            self._relays.append(cgroups.spawn(cgroups.TOOLS, argv, output=output))

    def reap(self) -> None:
        """End what carries frames, if anything does."""
        for relay in self._relays:
            relay.kill()
            relay.wait(5)

    def cut_heartbeats(self, server: str, *, keep_carrier: bool = True) -> None:
        """Cut one server off every network but the one of the service."""
        for net in self.nets[1:]:
            self.cut(server, net.interface, keep_carrier=keep_carrier)

    def cut_all(self, server: str, *, keep_carrier: bool = True) -> None:
        """Cut one server off every network; the storage has a way of its own."""
        for net in self.nets:
            self.cut(server, net.interface, keep_carrier=keep_carrier)

    def heal_all(self, server: str) -> None:
        """Undo every cut of one server."""
        for net in self.nets:
            self.heal(server, net.interface)

    def enter(self) -> tuple[str, ...]:
        """Return the words that run a command outside the servers but inside the lab's network."""
        return ("nsenter", f"--net={self.outside}")

    def _outside(self, lines: list[str]) -> None:
        _batch(self.outside, lines)


def cable(server: str, interface: str) -> str:
    """Return the name of the outer end of one server's cable; the kernel allows 15 characters."""
    return f"{server}-{interface}"


def clean() -> None:
    """Remove every namespace the lab has made; the kernel takes the links with them."""
    for path in places.NETWORK.glob("*") if places.NETWORK.is_dir() else ():
        _forget(path)


def _namespace(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    run(("unshare", f"--net={path}", "true"))


def _forget(path: Path) -> None:
    run(("umount", "--lazy", str(path)), check=False)
    path.unlink(missing_ok=True)


def _batch(namespace: Path, lines: list[str]) -> None:
    run(("nsenter", f"--net={namespace}", "ip", "-batch", "-"), feed="".join(f"{line}\n" for line in lines))
