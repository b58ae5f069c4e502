"""The names of the original's commands: the launcher goes by the name it is called by."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

import pytest

from nvkeep.cli import ORIGINAL, main, setup
from nvkeep.host import LocalHost
from tests.unit.cli.test_verbs import GOOD

REFUSED = {"nvkeep_apply_config": "may run no service of this cluster; type it on one of server01, server02, server03"}
COMMANDS = Path(__file__).parents[3] / "packaging" / "commands"


class Stranger(LocalHost):
    """This host, which no cluster.yaml names. Nothing of it is written, and no command runs on it."""

    def __init__(self) -> None:
        super().__init__("stranger")

    def lock(self, _path: str, _timeout: float) -> AbstractContextManager[None]:
        return nullcontext()

    def run(self, argv: Sequence[str], _timeout: float = 0.0) -> NoReturn:
        raise AssertionError(argv)

    def write(self, path: str, _text: str, *, durable: bool = False) -> NoReturn:
        raise AssertionError((path, durable))


@pytest.fixture(params=ORIGINAL)
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def typed(monkeypatch: pytest.MonkeyPatch, command: str, *words: str) -> int:
    monkeypatch.setattr("sys.argv", [f"/usr/sbin/{command}", *words])
    try:
        return main()
    except SystemExit as end:
        return int(str(end.code or 0))


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_ends_well_and_tells_the_exit_codes(
    command: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, command, word) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: {command} [-h]")
    assert f"  {command}  " in printed.partition("example")[2]
    assert printed.partition("exit codes:")[2].split()[:1] == ["0"]
    assert (" -l " in printed) == (command != "nvkeep_apply_config")


@pytest.mark.parametrize("words", [("-x",), ("now",), ("-l", "vol1")])
def test_what_it_does_not_take_is_refused(
    command: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, command, *words) == 2
    assert f"{command}: error: " in capsys.readouterr().err


def test_on_a_host_that_is_not_in_the_file_it_says_so(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "cluster.yaml"
    copy.write_text(GOOD.read_text())
    copy.chmod(0o644)
    before = [*tmp_path.iterdir()]
    monkeypatch.setattr("nvkeep.cli.common.others_can_write", lambda _: False)
    monkeypatch.setattr(setup, "LocalHost", Stranger)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert typed(monkeypatch, command, "-f", str(copy)) == 2
    printed = capsys.readouterr()
    assert REFUSED.get(command, "is not a host of this cluster; its hosts are server01, server02, server03") in printed.err
    assert "All done" not in printed.out + printed.err
    assert [*tmp_path.iterdir()] == before


@pytest.mark.parametrize("command", ["nvkeep_clean_shutdown", "nvkeep_manual_startup"], indirect=True)
def test_who_is_not_root_reads_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert typed(monkeypatch, command, "-f", str(tmp_path / "cluster.yaml")) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "nvkeep: permission denied; run it as root\n")


def test_with_only_the_originals_files_it_says_what_to_type(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conf, file = tmp_path / "nvkeep_service.conf", tmp_path / "cluster.yaml"
    conf.write_text("")
    monkeypatch.setattr("nvkeep.legacy.common.CONF", str(conf))
    assert typed(monkeypatch, command, "-f", str(file)) == 2
    printed = capsys.readouterr()
    assert printed.err == f"{file} is not there yet; make it of the original's files: nvkeep import -o {file}\n"
    assert printed.out == ""


def test_with_no_file_at_all_it_is_the_loader_that_speaks(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nvkeep.legacy.common.CONF", str(tmp_path / "nvkeep_service.conf"))
    monkeypatch.setattr("nvkeep.cli.common.others_can_write", lambda _: False)
    assert typed(monkeypatch, command, "-f", str(tmp_path / "no.yaml")) == 2
    assert "No such file or directory; name the file with -f FILE" in capsys.readouterr().err


def test_every_name_is_installed() -> None:
    loop = next(line for line in COMMANDS.read_text().splitlines() if line.startswith("for name in "))
    assert [f"nvkeep_{name}" for name in loop.partition(" in ")[2].partition(";")[0].split()] == list(ORIGINAL)
