"""Every test that the table in docs/backends.md names exists, and every cell names one or says why there is none."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALIASES = {"answers": "cluster/test_nvmesh_answers", "machines": "machines/test_backends"}
NAMED = re.compile(r"`([\w/]+): (\w+)`")
HEAD = "| | nvmesh (simulated)"


def rows() -> list[list[str]]:
    lines = (ROOT / "docs/backends.md").read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(HEAD))
    table = lines[begin + 2 :]
    end = next(number for number, line in enumerate(table) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:end]]


CELLS = [(row[0], cell) for row in rows() for cell in row[1:]]


def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / f"tests/{ALIASES.get(file, file)}.py").read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("row", "cell"), CELLS)
def test_a_cell_names_tests_that_exist_or_says_why_there_is_none(row: str, cell: str) -> None:
    named = NAMED.findall(cell)
    assert named or cell.startswith("none: "), (row, cell)
    missing = [f"{file}: {name}" for file, name in named if not {name, f"test_{name}"} & functions_of(file)]
    assert not missing, row


def test_the_table_has_a_row_for_each_property_that_is_promised() -> None:
    wanted = ["holder named", "acquire", "denied", "seize", "old holder's writes fail", "release", "busy", "unknown"]
    assert {*wanted, "crash and reboot of a holder"} <= {row[0] for row in rows()}
    assert {len(row) for row in rows()} == {5}
