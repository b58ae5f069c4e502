"""The last line of `make test` counts tests: what had an error or was skipped has not passed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = Path(__file__).parents[2] / "packaging" / "count"
PASSED = '<testcase classname="a" name="{}" />'
CASES = {
    "passed": (PASSED.format("x") + PASSED.format("y"), "2 0"),
    "failed": (PASSED.format("x") + '<testcase classname="a" name="y"><failure /></testcase>', "1 1"),
    "an error in its set-up": ('<testcase classname="a" name="y"><error /></testcase>', "0 1"),
    "failed, and an error in its tear-down": (
        '<testcase classname="a" name="y"><failure /></testcase><testcase classname="a" name="y"><error /></testcase>',
        "0 1",
    ),
    "skipped": (PASSED.format("x") + '<testcase classname="a" name="y"><skipped /></testcase>', "1 1"),
    "no test": ("", "0 1"),
}


def counted(path: Path) -> str:
    return subprocess.run((sys.executable, str(COUNT), str(path)), check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(("cases", "wanted"), CASES.values(), ids=CASES.keys())
def test_every_test_counts_once(tmp_path: Path, cases: str, wanted: str) -> None:
    file = tmp_path / "run.xml"
    file.write_text(f'<?xml version="1.0"?><testsuites><testsuite>{cases}</testsuite></testsuites>')
    assert counted(file) == wanted


@pytest.mark.parametrize("text", [None, "", "<testsuites><testsuite>"])
def test_a_run_that_left_no_whole_file_failed(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "run.xml"
    if text is not None:
        file.write_text(text)
    assert counted(file) == "0 1"


REAL = """\
import pytest

@pytest.fixture
def broken():
    raise OSError

@pytest.fixture
def left():
    yield
    raise OSError

def test_passes(): pass
def test_fails(): assert 0
def test_has_an_error_before(broken): pass
def test_has_an_error_after(left): pass
def test_fails_and_has_an_error_after(left): assert 0
@pytest.mark.skip
def test_is_skipped(): pass
@pytest.mark.xfail
def test_fails_as_expected(): assert 0
@pytest.mark.xfail(strict=True)
def test_passes_by_surprise(): pass
@pytest.mark.parametrize("number", [1, 2])
def test_counts_twice(number): pass
"""


def run(tmp_path: Path, *words: str) -> tuple[int, str]:
    """Run real tests in a process of their own; give pytest's exit code, and what is counted."""
    file = tmp_path / "run.xml"
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={file}", *words)
    done = subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, counted(file)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_pytest_itself_writes_is_counted_right(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_real.py").write_text(REAL)
    assert run(tmp_path, "-n", workers) == (1, "3 7")


@pytest.mark.parametrize("text", ["import nothing_of_this_name\n", "def test(:\n"])
def test_a_file_that_cannot_be_collected_has_failed(tmp_path: Path, text: str) -> None:
    (tmp_path / "test_real.py").write_text(text)
    (tmp_path / "test_well.py").write_text("def test_passes(): pass\n")
    assert run(tmp_path) == (2, "0 1")


def test_a_run_without_tests_has_failed(tmp_path: Path) -> None:
    assert run(tmp_path) == (5, "0 1")


def test_a_run_that_dies_has_failed(tmp_path: Path) -> None:
    (tmp_path / "test_real.py").write_text("import os\ndef test_passes(): pass\ndef test_dies(): os._exit(0)\n")
    assert run(tmp_path) == (0, "0 1")


PYTHON = """\
#!/bin/bash
case "$*" in
*-m*pytest*simulation*) exit 3 ;;
*-m*pytest*) file=$(grep -o "junitxml=[^ ]*" <<<"$*" | cut -d= -f2); cp "$0.xml" "$file"; exit 1 ;;
*count*) exec PYTHON "$@" ;;
esac
"""


def test_the_last_line_adds_up_tests_and_checks(tmp_path: Path) -> None:
    """One check fails, three suites have five tests that passed and two that did not each, one suite writes nothing."""
    bin_directory, packaging = tmp_path / ".venv/bin", tmp_path / "packaging"
    bin_directory.mkdir(parents=True)
    packaging.mkdir()
    for name in ("count", "test-all"):
        shutil.copy(COUNT.with_name(name), packaging)
    tools = {"ruff": "#!/bin/sh\n", "lint-imports": "#!/bin/sh\n", "mypy": "#!/bin/sh\nexit 1\n"}
    for name, text in {**tools, "python": PYTHON.replace("PYTHON", sys.executable)}.items():
        (bin_directory / name).write_text(text)
        (bin_directory / name).chmod(0o755)
    wrong = '<testcase classname="a" name="f"><failure /></testcase><testcase classname="a" name="g"><error /></testcase>'
    (bin_directory / "python.xml").write_text(f"<testsuites>{''.join(map(PASSED.format, 'abcde'))}{wrong}</testsuites>")
    done = subprocess.run((str(packaging / "test-all"),), check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "15 passed, 8 failed")
