"""docs/reference.md says what the code says: exit codes, the keys of the JSON, the files."""

import ast
import re
from dataclasses import fields
from pathlib import Path

from nvkeep.model.decision import Action, Holder
from nvkeep.status.service import Line, ServiceStatus
from tests.unit.model.test_history import entry

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reference.md").read_text()
CODE = re.compile(r"^  (\d)  (.*(?:\n     \S.*)*)", re.MULTILINE)
STATE = re.compile(r"\{(RUN|VAR)\}/([a-z._]+)")
PLACES = {"RUN": "/run/nvkeep", "VAR": "/var/lib/nvkeep"}


def commands() -> dict[str, Path]:
    verbs = {
        f"nvkeep {file.stem}": file
        for file in (ROOT / "nvkeep/cli").glob("*.py")
        if file.stem not in ("__init__", "common", "terminal")
    }
    legacy = {file.stem: file for file in (ROOT / "nvkeep/legacy").glob("nvkeep_*.py")}
    return verbs | legacy | {"nvkeep import": ROOT / "nvkeep/legacy/import_.py"}


def test_every_exit_code_is_there_as_the_help_says_it() -> None:
    helped = {name: (ast.get_docstring(ast.parse(file.read_text()), clean=False) or "") for name, file in commands().items()}
    said = {
        (name, code, " ".join(words.split()))
        for name, text in helped.items()
        for code, words in CODE.findall(text.partition("exit codes:")[2])
    }
    assert said
    assert set(re.findall(r"^\| `(nvkeep\S* ?\w*)` \| (\d) \| (.+) \|$", TEXT, re.MULTILINE)) == said
    assert {name for name, _, _ in said} == set(helped)


def test_every_key_of_the_status_is_there() -> None:
    section = TEXT.partition("### `nvkeep status --json`")[2].partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [field.name for field in fields(ServiceStatus)]
    assert all(f"`{field.name}`" in section for field in fields(Line))


def test_every_key_of_the_history_is_there() -> None:
    section = TEXT.partition("\n## The history")[2].partition("\n## ")[0]
    made = entry(steps=[])
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*made, "by"]
    assert all(f"`{key}`" in section for key in entry()["steps"][0])
    assert all(f"`{word}`" in section for word in (*Holder, *Action) if word is not Action.GUARD)


def test_every_file_of_the_state_is_there() -> None:
    source = "".join(file.read_text() for file in (ROOT / "nvkeep").rglob("*.py"))
    written = {f"{PLACES[place]}/{name}" for place, name in STATE.findall(source)}
    written |= set(re.findall(r'"(/var/lib/nvkeep/[a-z._]+)"', source))
    listed = set(re.findall(r"^\| `(/(?:run|var/lib)/nvkeep/[\w.]+)` \|", TEXT, re.MULTILINE))
    assert written <= listed
    assert {name for name in listed if not name.endswith(("moving", "started"))} <= written
