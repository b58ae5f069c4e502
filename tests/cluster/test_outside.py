"""What real servers have and a laboratory has not: strange mounts, a file system with errors, routers that answer. Needs root.

Each test is a case that somebody who runs such servers has reported.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lab.commands import until
from lab.databases import Database
from lab.network import HEARTBEATS, SERVICE
from tests.cluster.stage import MEASURED, kept_stage, says, standing, well

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server
    from tests.cluster.stage import Stage, Watch

SERVERS = ("srv-a", "srv-b")
PG = Database("pg", 1, SERVERS, ("health: {postgresql: 5432}",))
PLAIN = Database("plain", 3, SERVERS)
DROP_IN = f"/run/systemd/system/{PG.unit}.d/a.conf"  # before the one that `systemctl edit` writes
HEARTBEAT = HEARTBEATS[0].interface


kept, stage = kept_stage(SERVERS, PG, PLAIN, timing="cooldown: 5")


def test_a_heartbeat_that_is_made_anew_under_the_standby_is_heard_again(stage: Stage) -> None:
    """T1: keepalived's sockets belong to the old interface; it says BACKUP for ever."""
    watch = stage.watch(PG)
    (standby,) = stage.others(PG)
    renewed(stage, standby)
    watch.active.power_cut()
    heir = watch.wait_moved()
    watch.active.power_on()
    stage.settle()
    watch.finish(heir)


def test_a_heartbeat_that_is_made_anew_under_the_holder_moves_nothing(stage: Stage) -> None:
    watch = stage.watch(PG)
    renewed(stage, watch.active)
    watch.stayed(longest=2.0)


def renewed(stage: Stage, server: Server) -> None:
    """Make a heartbeat anew, and wait until keepalived was reloaded for it."""
    before = bound(server)
    stage.lab.network.make_anew(server.name, server.host, HEARTBEAT)
    until(lambda: bound(server) != before, within=20, what=f"{server.name}: keepalived was not reloaded")
    until(lambda: not warned(server), within=20, what=f"{server.name} still warns")
    stage.settle()


def bound(server: Server) -> str:
    path = server.path("/run/nvkeep/heartbeats")
    return path.read_text() if path.exists() else ""


def warned(server: Server) -> list[str]:
    return [text for text in standing(server, PG)["warnings"] if HEARTBEAT in text]


def test_a_strange_mount_of_others_costs_nothing(stage: Stage) -> None:
    """T3: the kernel does not escape a carriage return in the mount table."""
    watch = stage.watch(PG)
    (standby,) = stage.others(PG)
    for server in (watch.active, standby):
        server.run(("mkdir", "-p", "/run/a\rb\u2028c"))
        server.run(("mount", "-t", "tmpfs", "t", "/run/a\rb\u2028c"))
    watch.more_rows()
    assert well(watch.active, PG)
    watch.active.power_cut()
    heir = watch.wait_moved()
    heir.run(("umount", "/run/a\rb\u2028c"))
    watch.active.power_on()
    stage.settle()
    watch.finish(heir)


def test_the_hosts_own_address_stays_when_a_floating_one_goes(stage: Stage) -> None:
    """T4: the first address of a network takes the others with it, unless the kernel is told to keep them."""
    watches = [stage.watch(PG), stage.watch(PLAIN)]
    server = watches[0].active
    own = f"{SERVICE.address(server.host)}/24"
    server.run(("ip", "addr", "del", own, "dev", "host0"))  # as of a DHCP lease that was lost: the floating ones go with it
    until(lambda: all(watch.one.addressed(server) for watch in watches), within=20, what="the addresses were not healed")
    server.run(("ip", "addr", "add", own, "dev", "host0"))
    server.run(("ip", "route", "replace", "default", "via", SERVICE.address(254)))
    for watch in watches:
        watch.wait_serving(server)
    (other,) = stage.others(PG)
    server.run(("nvkeep", "move", "pg", "--to", other.name, "--force"), timeout=90)  # these servers have no ssh
    assert own in server.run(("ip", "-br", "-4", "addr", "show", "dev", "host0")).stdout.split()
    assert PLAIN.addressed(server)
    stage.settle()
    watches[0].finish(other)
    watches[1].finish(server)


def test_a_file_system_with_errors_is_healed_by_a_fresh_start(stage: Stage) -> None:
    """T5: since Linux 6.12 ext4 with errors=remount-ro goes on calling itself rw."""
    watch = stage.watch(PG)
    server = watch.active
    server.run(("mount", "-o", "remount,errors=remount-ro", PG.path))
    device = next(line for line in server.read("/proc/1/mountinfo").splitlines() if f" {PG.path} " in line).split()[2]
    name = Path(f"/sys/dev/block/{device}").resolve().name
    pid = main_pid(server)
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("x")
    until(lambda: anew(stage, pid), within=60, what="it was not started anew", every=0.5)
    stage.settle()
    server = stage.on(PG)
    result = watch.finish(server)
    MEASURED.append(f"ext4 that writes no more: outage {result.longest_gap_seconds:.2f} s, then served by {server.name}")


def anew(stage: Stage, pid: str) -> bool:
    """Return whether it serves by another process than this one, here or on the other server."""
    return any(PG.serves(server) and main_pid(server) not in ("0", pid) for server in stage.hosts(PG))


def main_pid(server: Server) -> str:
    return server.run(("systemctl", "show", "-p", "MainPID", "--value", PG.unit)).stdout.strip()


def test_a_reset_also_clears_the_start_limit_of_the_unit(stage: Stage) -> None:
    """T7: a unit that hit its start limit refuses every start, also after its cause was mended."""
    watch = stage.watch(PG)
    limit = "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n"
    wait_held(stage, f"{limit}[Service]\nExecStartPre=/bin/false\n")
    for server in stage.hosts(PG):
        server.write(DROP_IN, limit)
        server.run(("systemctl", "daemon-reload"))
        server.run(("nvkeep", "reset", "pg"))
    finish_mended(stage, watch)


def wait_held(stage: Stage, text: str) -> None:
    """Let no start of the unit succeed any more, by a drop-in on every server, end it, and wait until it is held."""
    for server in stage.hosts(PG):
        server.write(DROP_IN, text)
        server.run(("systemctl", "daemon-reload"))
    stage.on(PG).run(("systemctl", "kill", "--signal=SIGKILL", PG.unit))
    for server in stage.hosts(PG):
        until(partial(says, server, PG, "held"), within=120, what=f"{server.name} does not hold", every=0.5)


def finish_mended(stage: Stage, watch: Watch) -> None:
    """See it served again, and leave no drop-in behind."""
    stage.settle(within=90)
    watch.finish(stage.on(PG))
    for server in stage.hosts(PG):
        server.path(DROP_IN).unlink()
        server.run(("systemctl", "revert", PG.unit))
        server.run(("systemctl", "daemon-reload"))


def test_a_router_that_answers_for_the_address_keeps_nobody_for_ever(stage: Stage) -> None:
    """T11: proxy ARP, ARP suppression, a firewall: somebody answers for an address that nobody has."""
    watch = stage.watch(PG)
    with answering(stage, PG.address):
        ordered(stage, "stop", PG)
        ordered(stage, "start", PG)
        until(lambda: any(map(PG.serves, stage.hosts(PG))), within=120, what="nobody serves it", every=0.5)
    stage.settle()
    watch.finish(stage.on(PG))


FIREWALL = """
table inet firewall {
    chain input {
        type filter hook input priority 0
        ip protocol 112 drop
    }
}
"""


def test_a_firewall_that_lets_no_advert_through_is_named(stage: Stage) -> None:
    """T22: both are master, and nothing else is wrong with the network."""
    watch = stage.watch(PG)
    (standby,) = stage.others(PG)
    for server in (watch.active, standby):
        server.write("/run/firewall.nft", FIREWALL)
        server.run(("nft", "-f", "/run/firewall.nft"))
    until(lambda: "(IP protocol 112)" in asked(standby), within=60, what="no firewall is named", every=0.5)
    looks = asked(standby).partition("have to come through: ")[2].split("\n")[0]
    assert "protocol vrrp drop" in standby.run(("sh", "-c", looks.partition(";")[0])).stdout
    for server in (watch.active, standby):
        server.run(("nft", "delete", "table", "inet", "firewall"))
    until(lambda: "(IP protocol 112)" not in asked(standby), within=60, what="it is named for ever", every=0.5)
    stage.settle()
    watch.stayed()


def asked(server: Server) -> str:
    return server.run(("nvkeep", "status", "--local", PG.name), check=False).stdout


def test_a_start_that_takes_longer_than_systemd_waits_is_named(stage: Stage) -> None:
    """T24: a recovery that systemd ends begins anew, for ever."""
    watch = stage.watch(PG)
    wait_held(stage, "[Service]\nExecStartPre=/bin/sleep 4\nTimeoutStartSec=2\n")
    for server in stage.hosts(PG):
        command, _, text = asked(server).partition("where a start takes longer: ")[2].split("\n")[0].partition(", and write ")
        line, _, section = text.partition(" under ")
        assert section.startswith("[Service]")
        server.write("/run/text", f"[Service]\n{line}\n")
        server.run(("env", "SYSTEMD_EDITOR=cp /run/text", "script", "-qec", command, "/dev/null"))  # an editor wants a terminal
        server.run(("nvkeep", "reset", "pg"))
    finish_mended(stage, watch)


def ordered(stage: Stage, verb: str, one: Database) -> None:
    """Stop or start a database everywhere, server by server: they have no ssh."""
    words = ("set", "stopped") if verb == "stop" else ("end", "stopped")
    for server in stage.hosts(one):
        server.run(("nvkeep", "override", *words, one.name))
    for server in stage.hosts(one):
        server.run(("nvkeep", "apply", one.name), timeout=90, check=False)


ANSWER = """
import socket, sys
ip, interface = socket.inet_aton(sys.argv[1]), sys.argv[2]
mac = bytes.fromhex(open(f"/sys/class/net/{interface}/address").read().strip().replace(":", ""))
opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
opened.bind((interface, 0x0806))
print("ready", flush=True)
while True:
    frame = opened.recv(2048)
    if frame[20:22] == b"\\0\\1" and frame[38:42] == ip:
        head = frame[6:12] + mac + bytes.fromhex("0806 0001 0800 0604 0002")
        opened.send(head + mac + ip + frame[22:32])
"""


@contextmanager
def answering(stage: Stage, address: str) -> Iterator[None]:
    """Let a device outside of the servers answer ARP for an address."""
    words = (*stage.lab.network.enter(), "python3", "-c", ANSWER, address, f"br-{SERVICE.interface}")
    with subprocess.Popen(words, stdout=subprocess.PIPE) as device:
        try:
            assert device.stdout
            device.stdout.readline()
            yield
        finally:
            device.kill()


def test_stock_postgresql_is_protected_by_nvkeeps_own_advice(stage: Stage) -> None:
    """P1: Debian's generator starts every cluster at boot, and `systemctl disable` changes nothing about it."""
    (standby,) = stage.others(PG)
    standby.write("/etc/postgresql/15/main/start.conf", "auto\n")
    standby.run(("systemctl", "enable", "--quiet", "postgresql.service"))
    standby.run(("systemctl", "daemon-reload"))
    until(lambda: not standing(standby, PG)["eligible"], within=30, what="nothing is said", every=0.5)
    (said,) = [text for text in standing(standby, PG)["warnings"] if PG.unit in text]
    why, _, fix = said.partition("; ")
    assert why == f"{PG.unit} is started at boot by postgresql.service, and nvkeep starts it"
    standby.run(("sh", "-c", fix))
    stage.settle()
    assert PG.unit not in str(standing(standby, PG)["warnings"])
    standby.run(("systemctl", "disable", "--quiet", "postgresql.service"))


def test_multi_mount_protection_is_waited_for(stage: Stage) -> None:
    """T2: after a crash a mount with -O mmp waits for 44 s; killed, it begins anew."""
    watch = stage.watch(PLAIN)
    tuned(stage, "mmp")
    active = stage.on(PLAIN)
    active.power_cut()
    until(lambda: any(PLAIN.serves(each) for each in stage.hosts(PLAIN) if each is not active), within=90, what="not served")
    active.power_on()
    stage.settle(within=90)
    MEASURED.append(f"multi-mount protection: outage {watch.finish(stage.on(PLAIN)).longest_gap_seconds:.2f} s")


def tuned(stage: Stage, feature: str) -> None:
    """Set a feature of the file system while nobody serves it, and nvkeep does not undo what a hand attaches."""
    server = stage.on(PLAIN)
    ordered(stage, "stop", PLAIN)
    server.run(("systemctl", "stop", "nvkeep.service", "nvkeep-reconcile.timer"), timeout=60)
    server.run(("nvmesh_attach_volumes", "--access", "EXCLUSIVE_READ_WRITE", PLAIN.volume), timeout=60)
    server.run(("tune2fs", "-O", feature, f"/dev/nvmesh/{PLAIN.volume}"))
    server.run(("nvmesh_detach_volumes", PLAIN.volume), timeout=60)
    server.run(("systemctl", "start", "nvkeep.service", "nvkeep-reconcile.timer"), timeout=60)
    ordered(stage, "start", PLAIN)
    stage.settle(within=120)
