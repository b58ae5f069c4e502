"""Other people's files: they stay as they are but for what is nvkeep's in them, and are put back as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nvkeep import config
from nvkeep.host import LocalHost
from nvkeep.keepalived import CONF, PART, Version
from nvkeep.keepalived.install import installer
from nvkeep.keepalived.names import INCLUDE
from nvkeep.setup import order as orders
from nvkeep.setup import steps, undo
from nvkeep.setup.order import TARGET
from nvkeep.setup.survey import survey
from tests.unit.setup.test_killed import CLUSTER, NAME, ORDER, TEXT, THEIRS, Machine, answering, machine

__all__ = ["answering"]  # a fixture that is used by itself

NOT_UTF_8 = "# Rechner für Köln\r\n".encode("latin-1") + THEIRS.encode() + "# auth_pass ü\n".encode("latin-1")


def raw(host: Machine, path: str) -> tuple[bytes, int, int]:
    seen = Path(host.at(path)).stat()
    return Path(host.at(path)).read_bytes(), seen.st_gid, seen.st_mode


def test_what_is_not_utf_8_stays_and_is_put_back_byte_for_byte(tmp_path: Path) -> None:
    host = machine(tmp_path, {CONF: THEIRS})
    path = Path(host.at(CONF))
    path.write_bytes(NOT_UTF_8)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 0, 4)
    before = raw(host, CONF)
    assert steps.commit(host, ORDER).well
    now = raw(host, CONF)
    assert now[0].startswith(NOT_UTF_8)
    assert now[1:] == before[1:]
    assert INCLUDE.encode() in now[0]
    assert undo.undo(host).lines == ("as it was",)
    assert raw(host, CONF) == before


def test_a_cluster_yaml_is_written_with_its_own_ends_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "load", lambda _: CLUSTER)
    source, text = tmp_path / "cluster.yaml", TEXT.replace("\n", "\r\n")
    source.write_bytes(text.encode())
    host = machine(tmp_path / "root", {})
    assert steps.commit(host, orders.read(LocalHost(NAME), str(source))).well
    assert raw(host, TARGET)[0] == source.read_bytes()


def test_an_instance_with_such_a_name_is_told_in_words_that_can_be_printed(tmp_path: Path) -> None:
    host = machine(tmp_path, {CONF: THEIRS})
    Path(host.at(CONF)).write_bytes("vrrp_instance nvkeep_inst_HOST_Köln {\n}\n".encode("latin-1"))
    done = installer.install(host, CLUSTER, Version(2, 2, 7))
    assert done.code is installer.Code.REFUSED
    assert "nvkeep_inst_HOST_K\ufffdln" in done.lines[0]


def linked(host: Machine, path: str, text: str) -> Path:
    """Let something else manage a file."""
    managed = Path(host.at("/managed"))
    managed.write_text(text)
    Path(host.at(path)).parent.mkdir(parents=True, exist_ok=True)
    Path(host.at(path)).symlink_to(managed)
    return managed


@pytest.mark.parametrize("text", ["of long ago\n", None])
def test_a_cluster_yaml_that_is_a_link_to_something_else_is_refused(tmp_path: Path, text: str | None) -> None:
    host = machine(tmp_path, {})
    managed = linked(host, TARGET, text or TEXT)
    found = [one for one in survey(host, ORDER, NAME).unmet if one.what == TARGET]
    assert [(one.fix, str(managed) in one.why) for one in found] == ([(f"rm {TARGET}", True)] if text else [])


def test_a_cluster_yaml_that_others_can_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = machine(tmp_path, {})
    monkeypatch.setattr("nvkeep.setup.survey.others_can_write", lambda path: path == TARGET)
    (found,) = (one for one in survey(host, ORDER, NAME).unmet if one.what == TARGET)
    assert found.fix == f"chown root {TARGET} && chmod go-w {TARGET}"


def test_our_part_as_a_link_is_refused(tmp_path: Path) -> None:
    host = machine(tmp_path, {CONF: THEIRS})
    managed = linked(host, PART, "of long ago\n")
    assert (
        f"{PART} is a link to {managed}, and nvkeep writes this file itself; rm {PART}"
        in installer.install(host, CLUSTER, Version(2, 2, 7)).lines
    )
    assert managed.read_text() == "of long ago\n"


def test_a_keepalived_conf_that_includes_us_already_stays_a_link_when_ours_is_put_back(tmp_path: Path) -> None:
    host = machine(tmp_path, {})
    linked(host, CONF, f"{INCLUDE}\n{THEIRS}")
    assert steps.commit(host, ORDER).well
    assert undo.undo(host).well
    assert host.link_target(CONF) is not None
    assert not host.exists(PART)
