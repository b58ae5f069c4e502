"""nvkeep is upgraded, killed and told to end while it serves: nothing moves, and nobody sees half a version. Needs root."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lab import places, steady
from lab.commands import LabError, run, until
from lab.steady import boottime
from tests.cluster.test_failover import main_pid

if TYPE_CHECKING:
    from pathlib import Path

    from lab.server import Server
    from tests.cluster.conftest import Pair

NOTHING_MOVED = 0.5  # seconds: the longest gap where nothing may move
AGENT = "nvkeep.service"
WHOLE = ("nvkeep", "packaging", "docs", "examples", "README.md", "CHANGELOG.md", "ARCHITECTURE.md")


def checkout(tree: Path) -> Path:
    """Make a copy of this checkout, as far as it is installed."""
    tree.mkdir()
    for one in WHOLE:
        source = places.REPOSITORY / one
        shutil.copytree(source, tree / one) if source.is_dir() else shutil.copy(source, tree / one)
    return tree


def version(home: Path, name: str) -> Path:
    """Make a checkout of another version, whose agent tells systemd its name."""
    tree = checkout(home / name)
    edit(tree / "nvkeep/__init__.py", '"0.1.0"', f'"{name}"')
    edit(tree / "nvkeep/agent/loop.py", '"READY=1"', f'"READY=1\\nSTATUS=version {name}"')
    return tree


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def install(tree: Path, server: Server) -> None:
    run((str(tree / "packaging/install"), f"/proc/{server.pid}/root"), timeout=120)


def told(server: Server) -> str:
    return server.run(("systemctl", "show", "-p", "StatusText", "--value", AGENT)).stdout.strip()


def restarts(server: Server) -> str:
    return server.run(("systemctl", "show", "-p", "NRestarts", "--value", AGENT)).stdout.strip()


def test_code_that_does_not_run_is_not_installed_and_not_become(pair: Pair, tmp_path: Path) -> None:
    tree, server = version(tmp_path, "0.1.1"), pair.active
    pid, before = main_pid(server, AGENT), server.run(("readlink", "/usr/lib/nvkeep/current")).stdout.strip()
    (tree / "nvkeep/cli/__init__.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(LabError, match="nothing_of_the_kind"):
        install(tree, server)
    assert server.run(("readlink", "/usr/lib/nvkeep/current")).stdout.strip() == before
    server.run(("cp", "-a", f"/usr/lib/nvkeep/{before}", "/usr/lib/nvkeep/code-broken"))
    server.write("/usr/lib/nvkeep/code-broken/nvkeep/cli/__init__.py", "import nothing_of_the_kind\n")
    server.run(("ln", "-sfn", "code-broken", "/usr/lib/nvkeep/current"))
    until(lambda: "does not run; the old code continues" in server.journal(), within=10, what="the agent says nothing")
    server.run(("ln", "-sfn", before, "/usr/lib/nvkeep/current"))
    assert (main_pid(server, AGENT), restarts(server)) == (pid, "0")
    result = pair.finish(server, clean=pair.other)
    assert result.longest_steady_gap < NOTHING_MOVED


def test_an_upgrade_on_both_servers_moves_nothing(pair: Pair, tmp_path: Path) -> None:
    tree = version(tmp_path, "0.1.1")
    for server in (pair.active, pair.other):
        pid = main_pid(server, AGENT)
        install(tree, server)
        until(lambda server=server: told(server) == "version 0.1.1", within=10, what="the agent is not the new code")  # type: ignore[misc]
        assert (main_pid(server, AGENT), restarts(server)) == (pid, "0")
        assert server.run(("nvkeep", "--version")).stdout == "nvkeep 0.1.1\n"
        pair.more_rows()
    pair.wait_ready(pair.other)
    result = pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []
    assert result.longest_steady_gap < NOTHING_MOVED


@pytest.mark.parametrize("how", ["KILL", "restart"])
def test_an_agent_that_ends_moves_nothing(pair: Pair, how: str) -> None:
    for server in (pair.active, pair.other):
        pid = main_pid(server, AGENT)
        server.run(("systemctl", "restart", AGENT) if how == "restart" else ("systemctl", "kill", f"--signal={how}", AGENT))
        until(lambda server=server, pid=pid: main_pid(server, AGENT) not in ("0", pid), within=10, what="it did not return")  # type: ignore[misc]
        time.sleep(3)  # long enough for a takeover, had anybody decided on one
        pair.wait_serving(pair.active)
        pair.wait_ready(pair.other)
    result = pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []
    assert result.longest_steady_gap < NOTHING_MOVED


def test_an_agent_that_is_told_to_end_in_the_middle_of_a_pass_ends_at_once(pair: Pair) -> None:
    dead, heir = pair.active, pair.other
    pair.lab.storage.io_delay(None)  # the pass that takes over waits for I/O
    heir.run(("systemctl", "stop", "nvkeep-reconcile.timer"))
    dead.power_cut()
    until(lambda: pair.taken() == [f"{heir.name} preempt"], within=20, what="no takeover began")
    begun = boottime()
    heir.run(("systemctl", "stop", AGENT))
    assert steady.seconds(begun) < 4
    assert "timed out" not in heir.journal(AGENT, lines=20)  # of this stop
    pair.lab.storage.io_delay(0)
    heir.run(("systemctl", "start", AGENT, "nvkeep-reconcile.timer"))
    pair.wait_serving(heir)
    pair.finish(heir, clean=None)


def test_an_upgraded_pair_still_fails_over(fresh: Pair, tmp_path: Path) -> None:
    tree, dead, heir = version(tmp_path, "0.1.1"), fresh.active, fresh.other
    install(tree, heir)
    until(lambda: told(heir) == "version 0.1.1", within=10, what="the agent is not the new code")
    fresh.wait_ready(heir)
    dead.power_cut()
    fresh.wait_serving(heir)
    fresh.finish(heir, clean=None)


def test_who_starts_during_an_install_gets_one_version_whole(fresh: Pair, tmp_path: Path) -> None:
    server = fresh.other
    trees = [version(tmp_path, name) for name in ("0.1.1", "0.1.2")]
    loop = "while [ ! -e /stop ]; do nvkeep schema >/dev/null || exit 3; nvkeep --version; done | sort | uniq -c"
    with ThreadPoolExecutor(2) as pool:
        starting = [pool.submit(server.run, ("sh", "-c", f"set -e; {loop}"), timeout=90, check=False) for _ in range(2)]
        for _ in range(5):
            for tree in trees:
                install(tree, server)
        server.write("/stop", "")
        done = [one.result() for one in starting]
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 2
    seen = {word for one in done for word in one.stdout.split() if "." in word}
    assert {"0.1.1", "0.1.2"} <= seen <= {"0.1.0", "0.1.1", "0.1.2"}
    kept = server.run(("ls", "/usr/lib/nvkeep")).stdout.split()
    assert len([name for name in kept if name.startswith("code-")]) == 2
