"""What nvkeep says and hears itself: ARP and neighbour discovery between real network stacks, systemd's socket. Needs root."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lab.cluster import Lab
from lab.commands import run, until
from nvkeep.probes import unit
from nvkeep.probes.address import Entry, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

TOGETHER = 10  # units that are asked about at once, as those of a service would be: they have one second for the answer
V4, V6 = "10.77.0.77", "fd77::77"
CODE = "import sys; sys.path.insert(0, '/usr/lib/nvkeep/current'); from nvkeep.host import wire; print({})"

SHOW = """
import json, sys
sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
from nvkeep.host import systemd
while not (answer := systemd.show(sys.argv[1:])):
    pass  # not within its second, on a busy machine; then others run the program
print(json.dumps(answer.out))
"""


IS_ENABLED = """
import json, sys
sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
from nvkeep.host import systemd
print(json.dumps([systemd.enabled(("systemctl", "is-enabled", "--", name)) for name in sys.argv[1:]]))
"""
QUEUE = """
import sys
sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
from nvkeep.host import systemd
done = systemd.queue(sys.argv[1:])
print(done and done.code)
"""
ADDRESSES = """
import json, sys
sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
from nvkeep.host import rtnetlink
print(json.dumps(rtnetlink.show(rtnetlink.COMMAND).out))
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def ask(server: Server, address: str) -> bool:
    call = f"wire.answers('host0', '{address}', 0.5)"
    return server.run(("python3", "-I", "-c", CODE.format(call))).stdout.strip() == "True"


@pytest.mark.parametrize("address", [V4, V6])
def test_a_neighbour_answers_and_oneself_does_not(bare: Lab, address: str) -> None:
    here, there = bare
    assert not ask(here, address)
    there.run(("ip", "addr", "add", f"{address}/24" if address == V4 else f"{address}/64", "dev", "host0", *_nodad(address)))
    assert ask(here, address)
    assert not ask(there, address)
    there.run(("ip", "addr", "flush", "dev", "host0", "to", address))
    assert not ask(here, address)


def _nodad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


@pytest.mark.parametrize("address", [V4, V6])
def test_an_announcement_moves_a_stale_neighbour_entry(bare: Lab, address: str) -> None:
    _, there = bare
    bridge = run((*bare.network.enter(), "sh", "-c", "ip -o addr show | grep 10.77.0.254")).stdout.split()[1]
    stale = "02:00:00:00:99:99"
    run((*bare.network.enter(), "ip", "neigh", "replace", address, "lladdr", stale, "nud", "reachable", "dev", bridge))
    assert stale in _neighbour(bare, address)
    there.run(("ip", "addr", "add", f"{address}/24" if address == V4 else f"{address}/64", "dev", "host0", *_nodad(address)))
    there.run(("nvkeep", "announce", "host0", address))
    own = there.run(("cat", "/sys/class/net/host0/address")).stdout.strip()
    assert own in _neighbour(bare, address)
    there.run(("ip", "addr", "flush", "dev", "host0", "to", address))


def _neighbour(lab: Lab, address: str) -> str:
    return run((*lab.network.enter(), "ip", "neigh", "show", address)).stdout


@pytest.mark.parametrize("properties", [unit.PROPERTIES, unit.INSTALLED])
def test_systemd_says_over_its_socket_what_systemctl_prints(bare: Lab, properties: str) -> None:
    server = next(iter(bare))
    listed = server.run(("systemctl", "list-units", "--all", "--plain", "--no-legend")).stdout.splitlines()
    there = [line.split()[0] for line in listed]
    lasting = [name for name in there if not name.endswith((".slice", ".target"))]  # what needs those comes and goes meanwhile
    unloaded = [name for name in files(server) if name.endswith(".service") and name not in there and "@" not in name]
    names = [*lasting, *unloaded, "multi-user.target", "nothing.service", "played@1.service", "a-b@\\x2dy.service", "1.mount"]
    assert len(unloaded) > 5
    assert len(names) > 50
    for first in range(0, len(names), TOGETHER):
        some = names[first : first + TOGETHER]
        argv = ("systemctl", "show", f"--property={properties}", "--", *some)
        asked = json.loads(server.run(("python3", "-I", "-c", SHOW, *argv)).stdout)
        printed = server.run(argv).stdout
        for name, socket, program in zip(some, asked.split("\n\n"), printed.split("\n\n"), strict=True):
            assert (name, entries(socket)) == (name, entries(program))


def files(server: Server) -> dict[str, str]:
    """Give the state of every unit file."""
    listed = server.run(("systemctl", "list-unit-files", "--plain", "--no-legend")).stdout
    return {words[0]: words[1] for words in map(str.split, listed.splitlines())}


def test_systemd_says_over_its_socket_what_is_enabled(bare: Lab) -> None:
    server = next(iter(bare))
    names = [name for name, state in files(server).items() if state != "generated"]
    asked = json.loads(server.run(("python3", "-I", "-c", IS_ENABLED, *names, "nothing.service")).stdout)
    told = {name: done and (done[1], done[2]) for name, done in zip(names, asked, strict=False)}
    printed = {name: server.run(("systemctl", "is-enabled", "--", name), check=False) for name in names}
    assert {"enabled\n", "disabled\n", "static\n"} <= {done.stdout for done in printed.values()}
    assert {name: one for name, one in told.items() if one} == {
        name: (done.returncode, done.stdout) for name, done in printed.items() if told[name]
    }
    assert sum(not one for one in told.values()) < len(names) / 4  # templates, and what else only the program says
    assert asked[-1] is None


def test_systemd_queues_over_its_socket_what_systemctl_would(bare: Lab) -> None:
    server = next(iter(bare))
    server.write("/run/systemd/system/played.service", "[Service]\nExecStart=/bin/sleep 600\n")
    server.run(("systemctl", "daemon-reload"))
    for verb, state in (("start", "active"), ("stop", "inactive")):
        argv = ("systemctl", verb, "--no-block", "--", "played.service")
        assert server.run(("python3", "-I", "-c", QUEUE, *argv)).stdout.strip() == "0"
        until(partial(_is, server, state), within=10, what=f"played.service is not {state}")
    argv = ("systemctl", "start", "--no-block", "--", "nothing.service")
    assert server.run(("python3", "-I", "-c", QUEUE, *argv)).stdout.strip() == "None"


def _is(server: Server, state: str) -> bool:
    return server.run(("systemctl", "is-active", "played.service"), check=False).stdout.strip() == state


def test_the_kernel_says_of_addresses_what_ip_prints(bare: Lab) -> None:
    server = next(iter(bare))
    for number in range(1, 200):  # more than one message of the kernel has room for
        server.run(("ip", "addr", "add", f"10.99.{number}.1/24", "dev", "host0", "label", f"host0:{number}"))
    for words in (
        ("10.99.1.2/24", "dev", "host0"),
        ("10.99.1.3", "peer", "10.98.0.1/32", "dev", "host0"),
        ("fd99::1/64", "dev", "lo"),
    ):
        server.run(("ip", "addr", "add", *words))
    server.run(("ip", "addr", "add", "fd99::2/64", "dev", "host0"))  # tentative for a second
    asked = json.loads(server.run(("python3", "-I", "-c", ADDRESSES)).stdout)
    printed = parse(server.run(("ip", "-j", "addr", "show")).stdout)
    assert len(printed) > 200
    assert any(entry.secondary for entry in printed)
    assert [without_phase(entry) for entry in parse(asked)] == [without_phase(entry) for entry in printed]
    assert {entry.phase for entry in parse(asked) if entry.address == "fd99::2"} <= {"tentative", "usable"}


def without_phase(entry: Entry) -> Entry:
    """Leave out what changes by itself while two are asked one after the other."""
    return entry._replace(phase="")


def entries(text: str) -> dict[str, list[str]]:
    """Read what is printed of a unit; no order, and no job, is no difference."""
    every = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: sorted(value.split()) for key, value in every.items() if (key, value) not in (("Job", ""), ("Job", "0"))}
