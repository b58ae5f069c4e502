"""The original's files and what `nvkeep import` makes of them: NAME.nvkeep_service.conf, NAME.fstab, and NAME.yaml or NAME.txt.

A new case is three new files: with NAME.yaml it goes through, with NAME.txt these are its mistakes.
"""

from pathlib import Path

import pytest

from nvkeep.cli import main
from nvkeep.legacy import convert

HERE = Path(__file__).parent / "import"
CASES = sorted(path.name.removesuffix(".fstab") for path in HERE.glob("*.fstab"))
RIGHT = [name for name in CASES if (HERE / f"{name}.yaml").exists()]
WRONG = [name for name in CASES if (HERE / f"{name}.txt").exists()]


def text(name: str, suffix: str) -> str:
    return (HERE / f"{name}.{suffix}").read_text()


def fix(conf: str) -> str:
    """Fix the mistake of the BeeGFS guide: its volumes begin with b, its units do not."""
    fixed = conf.replace("( {mgmtd,meta,storage}-", "( b{mgmtd,meta,storage}-").replace(
        "( {meta,storage}-", "( b{meta,storage}-"
    )
    assert fixed.count("( b{") == 2
    return fixed


def test_every_case_is_whole() -> None:
    assert len(CASES) >= 6
    assert sorted(RIGHT + WRONG) == CASES
    assert all((HERE / f"{name}.nvkeep_service.conf").exists() for name in CASES)


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_becomes_exactly_this(name: str) -> None:
    made = convert(("nvkeep_service.conf", text(name, "nvkeep_service.conf")), ("fstab", text(name, "fstab")))
    assert made.mistakes == ()
    assert made.text == text(name, "yaml")


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_all_at_once(name: str) -> None:
    made = convert(("nvkeep_service.conf", text(name, "nvkeep_service.conf")), ("fstab", text(name, "fstab")))
    told = "".join(f"{one.at.file}:{one.at.line}:{one.at.column}: {one.text}\n" for one in made.mistakes)
    assert told == text(name, "txt")
    assert made.text == ""


@pytest.mark.parametrize("name", WRONG)
def test_every_mistake_has_its_form(name: str) -> None:
    """file:line:column: what is wrong; what to write instead."""
    for line in text(name, "txt").splitlines():
        file, row, column, rest = line.split(":", 3)
        of = {"nvkeep_service.conf": "nvkeep_service.conf", "fstab": "fstab"}[file]
        assert 1 <= int(row) <= len(text(name, of).splitlines())
        assert int(column) >= 1
        assert "; " in rest


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_written_passes_the_check(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "cluster.yaml"
    files = [str(HERE / f"{name}.{suffix}") for suffix in ("nvkeep_service.conf", "fstab")]
    assert main(["import", *files, "-o", str(target)]) == 0
    assert main(["check", "-f", str(target)]) == 0
    assert "right: " in capsys.readouterr().out


def test_the_beegfs_guide_with_its_mistake_mended_goes_through() -> None:
    conf = ("nvkeep_service.conf", fix(text("beegfs", "nvkeep_service.conf")))
    made = convert(conf, ("fstab", text("beegfs", "fstab")))
    assert made.mistakes == ()
    assert made.text == text("beegfs-fixed", "yaml")
