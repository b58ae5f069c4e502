"""The agent reads cluster.yaml again once it is another file, or one that it may trust again."""

from pathlib import Path

import pytest

from nvkeep.agent.configuration import Configuration
from nvkeep.state import host as host_state
from tests.unit.played import Played

EXAMPLE = (Path(__file__).parents[3] / "examples/cluster.yaml").read_text()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a right cluster.yaml of which nothing follows for a host."""
    monkeypatch.setattr(Configuration, "_adopt", lambda *_: None)
    monkeypatch.setattr(host_state, "lower_all_flags", lambda _: None)
    path = tmp_path / "etc" / "cluster.yaml"
    path.parent.mkdir(mode=0o755)
    path.write_text(EXAMPLE)
    path.chmod(0o644)
    return path


def test_a_file_is_read_once(file: Path) -> None:
    read = Configuration(Played(), str(file))  # type: ignore[arg-type]  # as much of a Host as is asked
    assert read.renewed()
    assert not read.renewed()


@pytest.mark.parametrize("mended", ["the file", "its directory"])
def test_one_that_others_may_no_longer_write_is_read_again(file: Path, mended: str) -> None:
    path, mode = (file, 0o644) if mended == "the file" else (file.parent, 0o755)
    path.chmod(mode | 0o022)
    read = Configuration(Played(), str(file))  # type: ignore[arg-type]  # as above
    assert not read.renewed()
    assert read.current() is None
    path.chmod(mode)
    assert read.renewed()
    assert read.current() is not None
