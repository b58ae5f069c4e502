"""The configuration that was read last: it is the same, or it is not used."""

import base64
import os
import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from nvkeep import config
from nvkeep.config import kept, parsing
from nvkeep.errors import ConfigError, UnsafeFile
from nvkeep.host import LocalHost

ROOT = Path(__file__).parents[3]
RIGHT = sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("tests/golden/keepalived/*.yaml")])
DATA = (ROOT / "examples/nfs.yaml").read_bytes()
CLUSTER = parsing.parse(DATA.decode())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(kept, "VAR", str(tmp_path))
    monkeypatch.setattr(kept, "KEPT", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.mark.parametrize("file", RIGHT, ids=lambda file: file.stem)
def test_what_is_kept_is_what_was_read(file: Path) -> None:
    cluster = parsing.parse(file.read_text())
    kept.keep(LocalHost(), file.read_bytes(), cluster)
    assert kept.recall(file.read_bytes()) == cluster


def test_it_counts_only_for_the_very_bytes(place: Path) -> None:
    kept.keep(LocalHost(), DATA, CLUSTER)
    assert kept.recall(DATA + b"\n") is None
    place.unlink()
    assert kept.recall(DATA) is None


def test_it_counts_only_for_the_code_that_has_read_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "code" / "spec.py"
    module.parent.mkdir()
    module.write_text("")
    monkeypatch.setattr(kept, "PLACES", (str(module),))
    kept.keep(LocalHost(), DATA, CLUSTER)
    assert kept.recall(DATA) == CLUSTER
    os.utime(module, (1, 1))
    assert kept.recall(DATA) is None


@pytest.mark.parametrize("cut", range(0, 1200, 97))
def test_what_is_torn_is_not_used(cut: int, place: Path) -> None:
    kept.keep(LocalHost(), DATA, CLUSTER)
    place.write_bytes(place.read_bytes()[:cut])
    assert kept.recall(DATA) is None


def test_what_the_disk_has_changed_is_not_used(place: Path) -> None:
    """It outlives a power cut: what is on the disk then may be what nobody wrote."""
    kept.keep(LocalHost(), DATA, CLUSTER)
    written = bytearray(place.read_bytes())
    for at in range(0, len(written), 397):
        place.write_bytes(written[:at] + bytes([written[at] ^ 1]) + written[at + 1 :])
        assert kept.recall(DATA) is None
    place.write_bytes(written)
    assert kept.recall(DATA) == CLUSTER


def test_what_others_can_write_is_not_used(place: Path) -> None:
    kept.keep(LocalHost(), DATA, CLUSTER)
    place.chmod(0o666)
    assert kept.recall(DATA) is None
    place.chmod(0o644)
    place.parent.chmod(0o777)
    assert kept.recall(DATA) is None


class Code:
    """What runs when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.file),)


def test_no_code_comes_out_of_it(place: Path) -> None:
    kept.keep(LocalHost(), DATA, CLUSTER)
    key = place.read_text().partition(" ")[0]
    trap = place.parent / "trap"
    for content in (Code(trap), {"nfs": 1}, CLUSTER.timing):
        packed = base64.b64encode(pickle.dumps(content)).decode()
        place.write_text(f"{key} {sha256(packed.encode()).hexdigest()}\n{packed}\n")
        assert kept.recall(DATA) is None
    assert not trap.exists()


def test_the_file_itself_is_looked_at_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_bytes(DATA)
    monkeypatch.setattr(config, "DEFAULT_FILE", str(file))
    assert config.load(str(file), LocalHost()) == CLUSTER
    monkeypatch.setattr(config, "_parsed", lambda *_: pytest.fail("read again"))
    assert config.load(str(file)) == CLUSTER
    file.chmod(0o666)
    with pytest.raises(UnsafeFile, match="can be written by others"):
        config.load(str(file))
    file.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        config.load(str(file))


def test_only_the_file_of_the_host_is_kept(tmp_path: Path, place: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_bytes(DATA)
    config.load(str(file), LocalHost())
    assert not place.exists()


def test_a_start_that_has_it_reads_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_bytes(DATA)
    kept.keep(LocalHost(), DATA, CLUSTER)
    script = f"""import sys
from nvkeep import config
from nvkeep.config import kept
config.DEFAULT_FILE, kept.VAR, kept.KEPT = {str(tmp_path / "cluster.yaml")!r}, {str(tmp_path)!r}, {kept.KEPT!r}
from nvkeep.cli import main
main(["plan", "--host", "server01", "--role", "nfs=MASTER", "--assume-clean"])
print("loaded", *sys.modules)"""
    done = subprocess.run((sys.executable, "-c", script), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "nvmesh_attach_volumes" in done.stdout
    assert not set(done.stdout.split("loaded ")[1].split()) & {"pydantic", "pydantic_core", "ruamel.yaml"}
