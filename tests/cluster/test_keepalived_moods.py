"""What keepalived does, or has done to it, moves nothing: killed, restarted, emptied, upgraded, flipping, unheard. Needs root.

The server it happens to has one service and stands by for another, so both sides are seen at once.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lab.commands import until
from lab.databases import Database
from nvkeep.keepalived import CONF, FIFO
from nvkeep.state.files import RUN
from nvkeep.state.service import flag_path
from tests.cluster.stage import kept_stage, standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.server import Server
    from tests.cluster.stage import Stage

PG = Database("pg", 1, ("srv-a", "srv-b"), ("health: {postgresql: 5432}",))
TWO = Database("two", 2, ("srv-b", "srv-a"), ("health: {postgresql: 5433}",))
UNIT = "keepalived.service"
EVENTS = "/var/log/nvkeep/event_handler.log"
WINDOW = 3.0  # seconds: several times what a takeover needs to begin, had anybody decided on one
FLIPS, WITHIN = 50, 60.0
# A package made from what is installed, so that dpkg can install it again: its files, and its own maintainer scripts.
REPACK = """
set -e
made=$(mktemp -d)
mkdir "$made/DEBIAN"
dpkg -L keepalived | while read -r name; do
    if [ ! -d "$name" ] && [ -e "$name" ]; then mkdir -p "$made${name%/*}"; cp -a "$name" "$made$name"; fi
done
for part in conffiles preinst postinst prerm postrm triggers; do
    if [ -e "/var/lib/dpkg/info/keepalived.$part" ]; then cp -a "/var/lib/dpkg/info/keepalived.$part" "$made/DEBIAN/$part"; fi
done
dpkg-query -s keepalived | awk '/^[^ ]/ { skip = /^(Status|Conffiles):/ } !skip' >"$made/DEBIAN/control"
dpkg-deb --build --root-owner-group -Znone "$made" /keepalived.deb
"""


kept, stage = kept_stage(PG.hosts, PG, TWO)


def systemctl(server: Server, *words: str) -> None:
    server.run(("systemctl", *words, UNIT), timeout=60)


def kill(server: Server) -> None:
    systemctl(server, "kill", "--signal=KILL")


def restart(server: Server) -> None:
    systemctl(server, "restart")


def reload(server: Server) -> None:
    systemctl(server, "reload")


def reload_empty(server: Server) -> None:
    conf = server.read(CONF)
    server.write(CONF, "")
    systemctl(server, "reload")
    until(
        lambda: standing(server, PG)["role"].startswith("NONE"),
        within=10,
        what="keepalived goes on with the old file",
        every=0.2,
    )
    time.sleep(WINDOW)
    server.write(CONF, conf)
    # Not by a reload: from an empty file to a full one, keepalived 2.2.7 was seen to crash, and to hang in the reload.
    server.run(("systemctl", "restart", UNIT), timeout=60)
    until(
        lambda: not standing(server, PG)["role"].startswith("NONE"), within=15, what="keepalived does not come back", every=0.5
    )


def upgrade(server: Server) -> None:
    before = main_pid(server)
    server.run(("sh", "-c", REPACK), timeout=60)
    server.run(("dpkg", "--force-confold", "-i", "/keepalived.deb"), timeout=60)
    assert main_pid(server) not in ("0", before)


def main_pid(server: Server) -> str:
    return server.run(("systemctl", "show", "-p", "MainPID", "--value", UNIT)).stdout.strip()


@pytest.mark.parametrize("mood", [kill, restart, reload, reload_empty, upgrade], ids=lambda mood: mood.__name__)
def test_keepalived_moves_nothing(stage: Stage, mood: Callable[[Server], None]) -> None:
    watches = [stage.watch(PG), stage.watch(TWO)]
    mood(stage.on(PG))
    time.sleep(WINDOW)
    stage.settle()
    for watch in watches:
        watch.stayed()


def flips(server: Server) -> int:
    """Count the changes of one role that keepalived has told on a server."""
    return sum('INSTANCE "pg@' in line for line in server.read(EVENTS).splitlines())


def test_fifty_role_flips_move_nothing(stage: Stage) -> None:
    """The flag is what makes a role flip at once; a hand writes 0 into it, nvkeep writes the truth again."""
    watches = [stage.watch(PG), stage.watch(TWO)]
    server = stage.on(PG)
    before, begun = flips(server), time.monotonic()
    while flips(server) < before + FLIPS and time.monotonic() < begun + WITHIN:
        for one in (PG, TWO):
            server.path(flag_path(one.name)).write_text("0\n")
        time.sleep(0.8)  # the role goes FAULT, BACKUP, MASTER meanwhile
    assert flips(server) >= before + FLIPS
    stage.settle()
    for watch in watches:
        watch.stayed()


def test_events_lost_and_a_reader_restarted_end_in_the_right_state(stage: Stage) -> None:
    """The agent, stopped in a pass over PG, hears nothing, and what the full FIFO has for it is the opposite of the truth."""
    pg, two = stage.watch(PG), stage.watch(TWO)
    dead = stage.on(TWO)
    server = next(each for each in stage.lab if each is not dead)
    until(lambda: stopped_outside(server, TWO), within=15, what="the agent makes one pass after the other")
    server.run(("systemd-run", "--quiet", "--unit=pass-over-pg", "flock", lock(PG), "sleep", "infinity"))
    fill(server)
    dead.power_cut()
    two.wait_serving(server)  # the timer's passes alone, while the one over PG waits
    dead.power_on()
    server.run(("systemctl", "stop", "pass-over-pg"))
    agent(server, "CONT")
    stage.settle()
    server.run(("systemctl", "restart", "nvkeep.service"))
    stage.settle()
    result = two.finish(server)
    assert two.moves == [f"{server.name} preempt"]
    assert result.longest_steady_gap < 15
    if pg.active is server:
        pg.stayed()
    else:
        pg.finish(server)


def agent(server: Server, signal: str) -> None:
    server.run(("systemctl", "kill", f"--signal={signal}", "nvkeep.service"))


def lock(one: Database) -> str:
    return f"{RUN}/lock/{one.name}"


def stopped_outside(server: Server, one: Database) -> bool:
    """Stop the agent, unless it makes a pass over a service just now."""
    agent(server, "STOP")
    free = server.run(("flock", "--nonblock", lock(one), "true"), check=False).returncode == 0
    if not free:
        agent(server, "CONT")
    return free


def fill(server: Server) -> None:
    """Fill keepalived's FIFO with what is not true, until not one more line fits."""
    handle = os.open(server.path(FIFO), os.O_WRONLY | os.O_NONBLOCK)
    line = "".join(f'INSTANCE "{one.name}@hb0" BACKUP 190\n' for one in (PG, TWO)).encode()
    try:
        for _ in range(100_000):
            os.write(handle, line)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
    raise AssertionError("the FIFO has no end")
