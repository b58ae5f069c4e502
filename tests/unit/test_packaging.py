"""The units that are installed, and which code counts as installed."""

import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from nvkeep.agent import upgrade
from nvkeep.host import LocalHost
from nvkeep.keepalived.install.conflicts import SHUTDOWN

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
CLIENTS = {
    "nvmeshclient.service",
    "iscsid.service",
    "iscsi.service",
    "open-iscsi.service",
    "nvmf-autoconnect.service",
    "drbd.service",
    "multipathd.service",
    "remote-fs.target",
    "network-online.target",
}


def words(unit: str, key: str) -> list[str]:
    lines = (UNITS / unit).read_text().splitlines()
    return [word for line in lines if line.startswith(f"{key}=") for word in line.partition("=")[2].split()]


@pytest.mark.parametrize("unit", ["nvkeep.service", "nvkeep-reconcile.service", "nvkeep-shutdown.service"])
def test_everything_starts_after_every_storage_client(unit: str) -> None:
    assert set(words(unit, "After")) >= CLIENTS


def test_the_hand_over_is_stopped_before_whatever_it_needs() -> None:
    assert {"keepalived.service", "nvkeep.service", "nvkeep-reconcile.service"} <= set(
        words("nvkeep-shutdown.service", "After")
    )
    assert words("nvkeep-shutdown.service", "Before") == []
    mark, *rest = words("nvkeep-shutdown.service", "ExecStop")
    assert mark == "-/usr/bin/install"
    assert rest[-2:] == ["/usr/bin/nvkeep", "shutdown"]


@pytest.mark.parametrize("unit", ["nvkeep.service", "nvkeep-reconcile.timer"])
def test_whatever_makes_passes_brings_the_hand_over_along(unit: str) -> None:
    assert "nvkeep-shutdown.service" in words(unit, "Wants")


def test_the_agent_brings_the_failback_along() -> None:
    assert "nvkeep-failback.timer" in words("nvkeep.service", "Wants")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("code-a", "code-b"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(upgrade, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(upgrade, "OWN", tmp_path / "code-a")
    return tmp_path


def test_other_code_is_named_and_the_same_is_not(installed: Path) -> None:
    assert upgrade.replaced() == ""
    (installed / "current").symlink_to("code-a")
    assert upgrade.replaced() == ""
    (installed / "current").unlink()
    (installed / "current").symlink_to("code-b")
    assert upgrade.replaced() == "code-b"


def test_a_link_to_nothing_and_a_checkout_replace_nothing(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (installed / "current").symlink_to("code-c")
    assert upgrade.replaced() == ""
    (installed / "code-c").mkdir()
    monkeypatch.setattr(upgrade, "OWN", installed.parent / "a-checkout")
    assert upgrade.replaced() == ""


def test_installed_code_that_does_not_answer_keeps_the_agent_from_nothing(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, entered, became = threading.Event(), threading.Event(), list[str]()

    def late() -> str:
        entered.set()
        answers.wait(30)
        return ""

    monkeypatch.setattr(upgrade, "wrong", late)
    monkeypatch.setattr(upgrade, "become_it", lambda: became.append("new"))
    (installed / "current").symlink_to("code-b")
    agent = upgrade.Upgrade(LocalHost(), upgrade.Passes())
    for _ in range(3):
        agent.seek()  # while the new code is being asked
    assert entered.wait(30)
    assert became == []
    answers.set()
    agent.trial.join(30)
    agent.seek()
    assert became == ["new"]


# --- the original's commands

COMMANDS = UNITS.parent / "commands"
THEIRS = "#!/bin/bash\necho the original\n"


def commands(into: Path) -> str:
    return subprocess.run([str(COMMANDS), str(into)], check=True, capture_output=True, text=True).stdout


def standing(into: Path) -> dict[str, str]:
    """Tell what is in /usr/sbin: a link's target, or a file's text."""
    found = (into / "usr/sbin").iterdir()
    return {one.name: str(one.readlink()) if one.is_symlink() else one.read_text() for one in found}


OURS = {f"nvkeep_{name}": "../bin/nvkeep" for name in ("apply_config", "check_status", "clean_shutdown", "manual_startup")}


def test_the_originals_commands_are_kept_beside_ours_and_named(tmp_path: Path) -> None:
    """They are all that shuts down in order what the original runs."""
    theirs = tmp_path / "usr/sbin/nvkeep_clean_shutdown"
    theirs.parent.mkdir(parents=True)
    theirs.write_text(THEIRS)
    theirs.chmod(0o755)
    said = commands(tmp_path)
    assert standing(tmp_path) == {**OURS, "nvkeep_clean_shutdown.original": THEIRS}
    assert (tmp_path / f"usr/sbin/{SHUTDOWN}").stat().st_mode & 0o777 == 0o755
    assert said == (
        "/usr/sbin/nvkeep_clean_shutdown was the original's, and is now /usr/sbin/nvkeep_clean_shutdown.original "
        "(docs/original.md)\n"
    )


def test_made_again_it_moves_nothing_and_says_nothing(tmp_path: Path) -> None:
    assert commands(tmp_path) == ""
    assert commands(tmp_path) == ""
    assert standing(tmp_path) == OURS


def test_what_a_package_manager_does_meanwhile_loses_nothing(tmp_path: Path) -> None:
    """An update of the original's package puts its file there again; its removal takes our link away."""
    for version in ("1", "2"):
        commands(tmp_path)
        (tmp_path / "usr/sbin/nvkeep_clean_shutdown").unlink()
        (tmp_path / "usr/sbin/nvkeep_clean_shutdown").write_text(version)
    commands(tmp_path)
    (tmp_path / "usr/sbin/nvkeep_apply_config").unlink()
    commands(tmp_path)
    kept = {"nvkeep_clean_shutdown.original": "2", "nvkeep_clean_shutdown.original.~1~": "1"}
    assert standing(tmp_path) == {**OURS, **kept}


def test_installing_puts_the_commands_there_by_this_script() -> None:
    assert "$lib/dist/commands" in (COMMANDS.parent / "place").read_text().splitlines()
    assert not any("usr/sbin" in (COMMANDS.parent / name).read_text() for name in ("place", "install", "build.py"))


LOCK = (UNITS.parent / "requirements.txt").read_text()


def test_every_library_is_installed_by_its_hash() -> None:
    project = tomllib.loads((UNITS.parents[1] / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=]", line)[0].replace(".", "-") for line in project["dependencies"]}
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", LOCK, re.MULTILINE))
    assert needed <= locked.keys()
    blocks = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked)
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK


@pytest.mark.parametrize("unit", ["nvkeep.service", "nvkeep-reconcile.service", "nvkeep-shutdown.service"])
def test_a_mount_made_by_a_pass_reaches_the_host(unit: str) -> None:
    """Each of these gives a unit a mount namespace of its own, and what is mounted there nobody else sees."""
    text = (UNITS / unit).read_text()
    settings = {line.partition("=")[0] for line in text.splitlines() if not line.startswith("#")}
    namespaces = {"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateMounts", "PrivateDevices", "ReadWritePaths",
                  "ReadOnlyPaths",
                  "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc",
                  "InaccessiblePaths", "BindPaths", "TemporaryFileSystem", "RootDirectory", "DynamicUser"}  # fmt: skip
    assert not settings & namespaces


def test_the_agent_is_watched_and_not_the_first_to_be_ended() -> None:
    text = (UNITS / "nvkeep.service").read_text()
    assert "WatchdogSec=" in text
    assert "OOMScoreAdjust=-900" in text
    assert "Restart=always" in text


def test_installed_code_is_tried_and_started_without_the_pth_files_of_other_packages() -> None:
    """-S: without `site` none is run, and none can stand in for a library that is missing (python(1))."""
    assert (UNITS.parent / "launcher").read_text().startswith("#!/usr/lib/nvkeep/python -IS\n")
    assert "\n$python -IS -c 'import sys\n" in (UNITS.parent / "place").read_text()


def test_the_launcher_lets_no_plugin_of_another_package_in(tmp_path: Path) -> None:
    """A plugin of pydantic may be any package that root has installed; it would run in every process of nvkeep."""
    start = (UNITS.parent / "launcher").read_text().replace("/usr/lib/nvkeep/current", str(UNITS.parents[1]))
    start = start.replace("sys.exit(main())", "main(); print(*sorted(sys.modules))")
    file = tmp_path / "cluster.yaml"
    file.write_text((UNITS.parents[1] / "examples/cluster.yaml").read_text())
    done = subprocess.run(
        (sys.executable, "-I", "-c", start, "check", "-f", str(file)), capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert "pydantic.main" in loaded
    assert "importlib.metadata" not in loaded
