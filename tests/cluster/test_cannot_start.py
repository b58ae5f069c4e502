"""The service cannot start on the only server that is left: how often it tries, what it says, how it ends. Needs root."""

from __future__ import annotations

import time

from lab.databases import Database
from tests.cluster.stage import Stage, says, standing

PG = Database(more=("health: {postgresql: 5432}",))
BUDGET = 3  # starts in ten minutes
COOLDOWN, STEP = 2, 6  # seconds
DROP_IN = f"/etc/systemd/system/{PG.unit}.d/cannot.conf"
WORDS = "the licence of this database has run out"  # what its journal says
BROKEN = f"[Service]\nExecStartPre=/bin/sh -c 'echo {WORDS}; exit 1'\n"


def test_a_unit_that_fails_on_the_backup_is_tried_three_times_and_held() -> None:
    with Stage(PG.hosts, PG, timing=f"step: {STEP}, cooldown: {COOLDOWN}") as stage:
        watch, first, backup = stage.watch(PG), stage.on(PG), stage.others(PG)[0]
        backup.write(DROP_IN, BROKEN)
        backup.run(("systemctl", "daemon-reload"))
        first.power_cut()
        watch.wait_said(backup, "held", within=90)
        time.sleep(3 * COOLDOWN)  # as long as three more tries would wait
        told = backup.run(("nvkeep", "status", "--local", "pg"), check=False)
        assert (told.returncode, says(backup, PG, "held")) == (2, True)
        for word in (PG.unit, WORDS, "nvkeep reset pg"):
            assert word in told.stdout
        assert PG.left(backup) == []
        assert [move for move in watch.moves if not move.endswith(("detach", "forced"))] == [
            f"{backup.name} preempt",
            *[f"{backup.name} plain"] * (BUDGET - 1),
        ]
        first.power_on()
        watch.wait_serving(first)
        watch.more_rows()
        backup.run(("rm", DROP_IN))
        backup.run(("systemctl", "daemon-reload"))
        backup.run(("nvkeep", "reset", "pg"))
        stage.settle()
        assert standing(backup, PG)["eligible"]
        watch.finish(first)
