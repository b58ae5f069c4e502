"""The units that are installed, and which code counts as installed."""

from pathlib import Path

import pytest

from nvkeep.host import code

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
    monkeypatch.setattr(code, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(code, "OWN", tmp_path / "code-a")
    return tmp_path


def test_other_code_is_named_and_the_same_is_not(installed: Path) -> None:
    assert code.replaced() == ""
    (installed / "current").symlink_to("code-a")
    assert code.replaced() == ""
    (installed / "current").unlink()
    (installed / "current").symlink_to("code-b")
    assert code.replaced() == "code-b"


def test_a_link_to_nothing_and_a_checkout_replace_nothing(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (installed / "current").symlink_to("code-c")
    assert code.replaced() == ""
    (installed / "code-c").mkdir()
    monkeypatch.setattr(code, "OWN", installed.parent / "a-checkout")
    assert code.replaced() == ""
