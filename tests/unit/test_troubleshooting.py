"""docs/troubleshooting.md has a section for every summary word, and every command in it can be typed."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from nvkeep import cli
from nvkeep.model.summary import Summary

TEXT = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
COMMANDS = sorted(set(re.findall(r"^    (nvkeep .+)$", TEXT, re.MULTILINE)))


def test_every_summary_word_has_its_section() -> None:
    assert sorted(re.findall(r"^## (.+)$", TEXT, re.MULTILINE)) == sorted(Summary)


def test_every_section_but_ok_has_something_to_type() -> None:
    sections = {text.partition("\n")[0]: text for text in TEXT.split("\n## ")[1:]}
    assert [word for word, text in sections.items() if "\n    nvkeep " not in text] == [str(Summary.OK)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_typed(command: str) -> None:
    parsed = cli._parse(shlex.split(command.replace("SERVICE", "pg"))[1:])
    assert isinstance(parsed, argparse.Namespace)
