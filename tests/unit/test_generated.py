"""What is derived from the code is as the code is now (`make generate`), and what it is for can read it."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "packaging/generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = script()


@pytest.mark.parametrize("path", GENERATE.MADE)
def test_it_is_as_the_code_is_now(path: str) -> None:
    assert (ROOT / path).read_text() == GENERATE.MADE[path](), "make generate"


COMPLETE = """
source "$1"
COMP_WORDS=(nvkeep "${@:2}") COMP_CWORD=$(($# - 1))
_nvkeep nvkeep "${!#}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [(("hist",), ["history"]), (("status", "--w"), ["--watch"]), (("rehearse", "--b"), ["--back"]), (("nonsense", "--"), [""])],
)
def test_bash_completes(typed: tuple[str, ...], offered: list[str]) -> None:
    argv = ("bash", "-c", COMPLETE, "bash", str(ROOT / GENERATE.BASH), *typed)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip("\n").split("\n") == offered


def test_every_command_is_in_the_man_page() -> None:
    text = (ROOT / GENERATE.MAN).read_text()
    assert all(f".SS nvkeep {verb}" in text for verb in GENERATE.VERBS)
    assert not any(
        line.startswith(".") and " " not in line and line not in (".PP", ".nf", ".fi", ".TP") for line in text.split("\n")
    )
