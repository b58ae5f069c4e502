"""The farm keeps its promises: real power cuts, frozen machines, nvkeep in the hosts, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.commands import LabError, until
from lab.vm import channel, places
from lab.vm import farm as farms

if TYPE_CHECKING:
    from lab.vm.farm import Farm


def test_every_machine_has_a_kernel_and_a_name_of_its_own(farm: Farm) -> None:
    names = {machine.run(("uname", "-n")).stdout.strip() for machine in farm}
    assert names == {"srv-a", "srv-b", "target"}
    assert len({machine.boot_id for machine in farm}) == 3
    assert {machine.run(("systemctl", "is-system-running", "--wait"), timeout=60).stdout for machine in farm} == {"running\n"}


def test_commands_run_side_by_side_and_late_ones_end(farm: Farm) -> None:
    with ThreadPoolExecutor(4) as pool:
        slow = pool.submit(farm.a.run, ("sleep", "2"))
        assert farm.a.run(("cat",), feed="fed\n").stdout == "fed\n"
        assert not slow.done()
    with pytest.raises(LabError, match="no end after"):
        farm.a.run(("sleep", "9"), timeout=0.5)
    with pytest.raises(LabError, match="exit 3"):
        farm.a.run(("sh", "-c", "exit 3"))


def test_nvkeep_is_installed(farm: Farm) -> None:
    for host in farm.hosts:
        assert host.run(("nvkeep", "--version"), timeout=60).stdout.startswith("nvkeep")


def test_a_frozen_machine_goes_on_where_it_was(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    before = farm.b.boot_id
    farm.b.freeze()
    monkeypatch.setattr(channel, "PATIENCE", 0.5)
    with pytest.raises(LabError, match="does not answer"):
        farm.b.run(("true",), timeout=1)
    farm.b.thaw()
    monkeypatch.undo()
    assert farm.b.run(("cat", "/proc/sys/kernel/random/boot_id")).stdout.strip() == before


def test_a_second_farm_is_refused(farm: Farm) -> None:
    assert farm.a.alive
    with pytest.raises(LabError, match="another farm is up"):
        farms.clean_unused()


def test_a_killed_farm_is_cleaned_up_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "STATE", tmp_path / "state")
    monkeypatch.setattr(places, "NAMESPACE", tmp_path / "none")
    monkeypatch.setattr(places, "DISK", tmp_path / "disk")
    pidfile = tmp_path / "state/srv-a/pid"
    pidfile.parent.mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    with subprocess.Popen((sys.executable, "-c", "import time; time.sleep(60)", str(pidfile))) as left:
        pidfile.write_text(f"{left.pid}\n")
        cmdline = Path(f"/proc/{left.pid}/cmdline")
        until(lambda: str(pidfile) in cmdline.read_text(), within=5, what="the process has begun")
        farms.clean()
        assert left.wait(5) == -signal.SIGKILL
    assert not (tmp_path / "disk").exists()
    with subprocess.Popen((sys.executable, "-c", "import time; time.sleep(60)")) as stranger:
        pidfile.parent.mkdir(parents=True)
        pidfile.write_text(f"{stranger.pid}\n")
        farms.clean()
        assert stranger.poll() is None
        os.kill(stranger.pid, signal.SIGKILL)
