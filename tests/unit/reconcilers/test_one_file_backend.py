"""Adding a backend is one file: a sample is put into a copy of the package and used by its name from YAML."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SAMPLE = Path(__file__).with_name("sample_backend.txt")
CLUSTER = """\
cluster: pair
hosts:
  one: {heartbeats: [{interface: eth0, address: 10.0.0.1}]}
  two: {heartbeats: [{interface: eth0, address: 10.0.0.2}]}
services:
  files:
    hosts: [one, two]
    volumes: [{name: data, backend: sample, group: vg0}]
    mounts: [{volume: data, path: /srv/files, fstype: xfs}]
"""


def nvkeep(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = (sys.executable, "-m", "nvkeep", *arguments)
    return subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=package, timeout=60, check=False)


def test_a_sample_of_forty_lines_is_used_by_its_name(tmp_path: Path) -> None:
    assert len(SAMPLE.read_text().splitlines()) <= 45
    shutil.copytree(ROOT / "nvkeep", tmp_path / "nvkeep", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "cluster.yaml"
    file.write_text(CLUSTER)
    before = nvkeep(tmp_path, "check", "-f", str(file))
    assert before.returncode == 2
    assert "sample" in before.stderr
    shutil.copy(SAMPLE, tmp_path / "nvkeep/reconcilers/backends/sample.py")
    assert nvkeep(tmp_path, "check", "-f", str(file)).returncode == 0
    planned = nvkeep(tmp_path, "plan", "-f", str(file), "--host", "one", "--role", "files=MASTER", "--assume-clean")
    assert planned.returncode == 2
    assert "vgchange --activate ey vg0" in planned.stdout
    assert "mount -t xfs -o _netdev,X-mount.mkdir /dev/vg0/data /srv/files" in planned.stdout
    wrong = file.with_name("wrong.yaml")
    wrong.write_text(CLUSTER.replace("group: vg0", "gruop: vg0"))
    assert 'did you mean "group"?' in nvkeep(tmp_path, "check", "-f", str(wrong)).stderr
    assert '"group"' in nvkeep(tmp_path, "schema").stdout


DECLARED = """\
    unique = (Unique("group", "volume group", "write another group"),)
    examples = {"group": "group: vg7"}
    gives_up = "it is only a sample"
"""


def test_what_a_backend_declares_of_itself_is_used_by_check(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "nvkeep", tmp_path / "nvkeep", ignore=shutil.ignore_patterns("__pycache__"))
    sample = SAMPLE.read_text().replace("import Ask,", "import Unique, Ask,")
    head, spec, tail = sample.partition("    Spec = SampleVolume\n")
    assert spec
    (tmp_path / "nvkeep/reconcilers/backends/sample.py").write_text(head + spec + DECLARED + tail)
    file = tmp_path / "cluster.yaml"
    file.write_text(CLUSTER)
    assert "uses backend sample: it is only a sample" in nvkeep(tmp_path, "check", "-f", str(file)).stdout
    file.write_text(CLUSTER.replace("[{name: data", "[{name: more, backend: sample, group: vg0}, {name: data"))
    assert (
        'volume group "vg0" is already used by this service; write another group'
        in nvkeep(tmp_path, "check", "-f", str(file)).stderr
    )
    file.write_text(CLUSTER.replace(", group: vg0", ""))
    assert "missing; add group: vg7" in nvkeep(tmp_path, "check", "-f", str(file)).stderr
