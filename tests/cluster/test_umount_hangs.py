"""An umount whose storage does not answer: it is told in time, never started twice, and never called released. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import protected
from lab.commands import boottime, until
from tests.cluster.test_failover import taken

if TYPE_CHECKING:
    import subprocess

    from lab.server import Server
    from tests.cluster.conftest import Pair

PATH = protected.PATH
UMOUNT = ("nvkeep", "umount", PATH, "--device", "/dev/nvmesh/vol1", "--holders", "all", "--within", "4")


def umounts(server: Server) -> list[str]:
    return server.run(("ps", "-C", "umount", "-o", "pid="), check=False).stdout.split()


def climb(server: Server) -> subprocess.CompletedProcess[str]:
    begun = boottime()
    done = server.run(UMOUNT, check=False, timeout=30)
    assert boottime() - begun < 10
    return done


def test_a_hanging_umount_is_told_and_not_started_twice(pair: Pair) -> None:
    holder, other = pair.active, pair.other
    pair.writer.stop()
    other.run(("nvkeep", "role", "pg", "--set", "BACKUP"))
    holder.run(("systemctl", "stop", "nvkeep-reconcile.timer", "nvkeep.service", protected.UNIT))
    holder.run(("dd", "if=/dev/zero", f"of={PATH}/dirty", "bs=1M", "count=8"))
    pair.lab.storage.stall("vol1", holder.name)
    first = climb(holder)
    assert first.returncode == 1
    assert "its storage does not answer" in first.stderr
    hanging = umounts(holder)
    assert len(hanging) == 1
    assert climb(holder).returncode == 1
    assert umounts(holder) == hanging
    pair.lab.storage.resume("vol1", holder.name)
    until(lambda: not umounts(holder), within=20, what="the umount does not end")
    assert climb(holder).returncode == 0
    holder.run(("systemctl", "start", "nvkeep-reconcile.timer", "nvkeep.service"))
    pair.wait_serving(holder)
    assert pair.writer.lost() == 0
    assert taken(pair) == [f"{holder.name} plain"]
