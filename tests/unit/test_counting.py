"""The last line of `make test` counts tests: what had an error or was skipped has not passed."""

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
