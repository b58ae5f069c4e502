"""The command line: what it prints, how it ends, and what it loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nvkeep import __version__
from nvkeep.cli import VERBS, main

ROOT = Path(__file__).parents[3]
GOOD = ROOT / "tests" / "golden" / "keepalived" / "cluster.yaml"
AUDIT = """
import os, sys
import nvkeep.cli
touched = []
def hook(event, arguments):
    if event == "open":
        touched.append(os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes)) else str(arguments[0]))
    elif event.split(".")[0] in ("subprocess", "socket", "shutil"):
        touched.append(event)
    elif event in ("os.exec", "os.posix_spawn", "os.fork", "os.kill"):
        touched.append(event)
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.chmod", "os.link", "os.symlink"):
        touched.append(event)
sys.addaudithook(hook)
code = nvkeep.cli.main(sys.argv[1:])
ours = [one for one in touched if not one.endswith((".py", ".pyc", ".so", ".zip")) and "site-packages" not in one]
print("touched", sorted(set(ours)), file=sys.stderr)
sys.exit(code)
"""


def nvkeep(*arguments: str, program: tuple[str, ...] = ("-m", "nvkeep")) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *program, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)


def ended(arguments: list[str]) -> int:
    """Give the exit code, also where argparse ends the process itself."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(str(end.code or 0))


@pytest.fixture
def good(tmp_path: Path) -> str:
    copy = tmp_path / "cluster.yaml"
    copy.write_text(GOOD.read_text())
    copy.chmod(0o644)
    return str(copy)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    copy = tmp_path / "cluster.yaml"
    copy.write_text(GOOD.read_text().replace("path: /srv/nfs,", "path: /usr,"))
    copy.chmod(0o644)
    return str(copy)


def test_alone_it_prints_five_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    commands = [line.split()[1] for line in printed.splitlines() if line.startswith("    nvkeep ")]
    assert len(commands) == 5
    assert set(commands) <= set(VERBS)
    assert "nvkeep --help" in printed


def test_help_lists_every_command_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["--help"]) == 0
    printed = capsys.readouterr().out
    for verb, does in VERBS.items():
        assert verb in printed
        assert does.split()[0] in printed


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_command_has_an_example_and_its_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert VERBS[verb] in " ".join(printed.split())
    codes = printed.partition("exit codes:")[2].split()
    assert codes[:1] == ["0"]
    assert len(codes) > 1
    assert (f"  nvkeep {verb}" in printed.partition("example")[2]) == (verb != "agent")  # which nobody types


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["--version"]) == 0
    assert capsys.readouterr().out == f"nvkeep {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [("stauts", "status"), ("aply", "apply"), ("keepalive", "keepalived"), ("chek", "check")]
)
def test_a_typing_error_is_answered_with_what_was_meant(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended([typed]) == 2
    assert f"no command {typed}; did you mean `nvkeep {meant}`?" in capsys.readouterr().err


def test_nonsense_is_answered_with_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["xyzzy"]) == 2
    assert "nvkeep --help lists them" in capsys.readouterr().err


def test_the_command_line_loads_nothing_heavy() -> None:
    loaded = "import sys, nvkeep.cli; print(*sys.modules)"
    modules = set(nvkeep(program=("-c", loaded)).stdout.split())
    assert "nvkeep.cli" in modules
    assert {name for name in modules if name.startswith("nvkeep")} == {"nvkeep", "nvkeep.cli"}
    heavy = {"argparse", "pathlib", "logging", "socket", "subprocess", "asyncio"}
    libraries = {"pydantic", "pydantic_core", "ruamel.yaml", "tenacity", "deepdiff"}
    assert not modules & (heavy | libraries)


def test_making_a_plan_does_not_load_what_only_explaining_needs() -> None:
    script = "import sys, nvkeep.cli; nvkeep.cli.main(sys.argv[1:]); print('loaded', *sys.modules)"
    arguments = ("plan", "-f", str(GOOD), "--host", "server01", "--role", "nfs=MASTER", "--assume-clean")
    modules = set(nvkeep(*arguments, program=("-c", script)).stdout.split("loaded ")[1].split())
    assert not modules & {"deepdiff", "asyncio", "numpy", "rich", "jinja2", "hypothesis"}


def test_a_clean_plan_looks_at_nothing_but_the_file() -> None:
    """What it opens and does is recorded by the interpreter: so it runs anywhere, as anybody."""
    arguments = ("plan", "-f", str(GOOD), "--host", "server01", "--role", "nfs=MASTER", "--assume-clean")
    done = nvkeep(*arguments, program=("-c", AUDIT))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"touched {[str(GOOD)]}"
    assert "nfs on server01: acquire: " in done.stdout
    assert "nvmesh_attach_volumes --json --access EXCLUSIVE_READ_WRITE nfsvolume" in done.stdout
    assert "database on server01: rest: " in done.stdout


def test_a_clean_plan_without_the_role_changes_nothing(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "-f", good, "--host", "server02", "--assume-clean"]) == 0
    assert capsys.readouterr().out.count("nothing to do") == 2


@pytest.mark.parametrize("role", ["nfs", "nfs=", "nfs=master", "web=MASTER", "=MASTER"])
def test_a_role_that_makes_no_sense_is_an_error(role: str, good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "-f", good, "--host", "server01", "--role", role, "--assume-clean"]) == 1
    assert f"--role {role}: write SERVICE=ROLE" in capsys.readouterr().err


def test_check_of_a_good_file(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-f", good]) == 0
    printed = capsys.readouterr()
    assert f"{good}: right: nfs, database on server01, server02, server03\n" in printed.out
    assert "warning: service database uses backend image" in printed.out
    assert not printed.err


@pytest.mark.parametrize("verb", ["check", "show", "keepalived", "role", "apply"])
def test_a_bad_file_is_exit_code_2_and_the_message_is_on_stderr(
    verb: str, bad: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nvkeep.state.host.lower_all_flags", lambda _: None, raising=False)  # the machine is not ours
    monkeypatch.setattr("nvkeep.log.setup", lambda **_: None)
    assert main([verb, "-f", bad]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith(f'{bad}:23:35: services.nfs.mounts[0].path: "/usr" belongs to the system; ')


@pytest.mark.parametrize("verb", ["plan", "diff"])
def test_a_bad_file_is_an_error_for_a_plan(verb: str, bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """0 and 2 are answers of a plan, as terraform and diff have it."""
    assert main([verb, "-f", bad]) == 1
    assert bad in capsys.readouterr().err


def test_a_missing_file_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-f", str(tmp_path / "no.yaml")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/no.yaml:1:1: No such file or directory; name the file with -f FILE\n"


def test_keepalived_of_a_host_that_is_none(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keepalived", "-f", good, "--host", "elsewhere"]) == 2
    assert "its hosts are server01, server02, server03" in capsys.readouterr().err


def test_keepalived_prints_the_file_and_nothing_else(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keepalived", "-f", good, "--host", "server02", "--for-version", "2.2.7"]) == 0
    assert capsys.readouterr().out == (GOOD.parent / "server02-2.2.7.conf").read_text()


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.3.5", "older than 1.3.6"),
        ("2.0.4", "wrong checksums"),
        ("1.3.6", "every second peer"),
        ("two", "write three numbers"),
    ],
)
def test_a_keepalived_that_does_not_go_with_nvkeep(
    good: str, version: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keepalived", "-f", good, "--host", "server01", "--for-version", version]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("nvkeep: ")
    assert printed.err.count("\n") == 1
    assert words in printed.err


def test_a_closed_pipe_is_no_traceback() -> None:
    script = f"{sys.executable} -m nvkeep show -f {GOOD} | true"
    done = subprocess.run(["/bin/sh", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
