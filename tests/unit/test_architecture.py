"""ARCHITECTURE.md says who imports whom and what to read; the source has to say the same."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "nvkeep"
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
ENTRY_POINTS = {"__init__", "__main__"}
MOST_ENTRIES, MOST_LAYERS, MOST_LINES, MOST_IMPORTS = 20, 15, 4000, 12


def modules() -> dict[str, Path]:
    """Name every module of the package, with its file."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def imports() -> dict[str, set[str]]:
    """Map each module to those of the package that it imports, also inside functions."""
    known = modules()
    return {name: set(imported(file, known)) for name, file in known.items()}


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nvkeep":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else str(node.module)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def computed() -> dict[str, str]:
    found: dict[str, set[str]] = {room(module): set() for module in imports()}
    for module, others in imports().items():
        found[room(module)] |= {room(other) for other in others} - {room(module), "__init__"}
    return {name: ", ".join(sorted(others)) for name, others in found.items() if name not in ENTRY_POINTS}


def test_the_table_names_every_room_and_what_it_imports() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ?([^|]*?) ?\|$", TEXT, re.MULTILINE)
    assert dict(rows) == computed()


def layers() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return [str(layer) for contract in contracts if contract["type"] == "layers" for layer in contract["layers"]]


def test_the_table_is_in_the_order_of_the_layers() -> None:
    order = [name.removeprefix("nvkeep.") for layer in layers() for name in layer.split(" | ")]
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    level = {name: index for index, layer in enumerate(layers()) for name in layer.replace("nvkeep.", "").split(" | ")}
    assert sorted(rows) == sorted(order)
    assert [level[name] for name in rows] == sorted(level.values())


def test_the_layers_are_few_and_are_rooms() -> None:
    assert len(layers()) <= MOST_LAYERS
    flat = {"nvkeep.log", "nvkeep.errors"}
    named = {name for layer in layers() for name in layer.split(" | ")}
    assert all((ROOT / name.replace(".", "/")).is_dir() for name in named - flat)


def test_the_unit_tests_mirror_the_rooms() -> None:
    folders = {path.name for path in (ROOT / "tests/unit").iterdir() if (path / "__init__.py").exists()}
    assert folders
    assert folders <= {path.name for path in PACKAGE.iterdir() if path.is_dir()}


def test_the_package_has_few_entries() -> None:
    assert len([entry for entry in PACKAGE.iterdir() if entry.name != "__pycache__"]) <= MOST_ENTRIES


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {name: others - {name, *parents(name)} for name, others in imports().items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_no_module_needs_many_others() -> None:
    assert {name: len(others - {name}) for name, others in imports().items() if len(others - {name}) > MOST_IMPORTS} == {}


def parents(module: str) -> list[str]:
    """Name the packages of a module: to import from them is no detour, they are loaded already."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def reading_order() -> list[str]:
    section = TEXT.partition("## Reading order")[2].partition("\n## ")[0]
    return re.findall(r"`([\w/]+\.py)`", section)


@pytest.mark.parametrize("name", reading_order())
def test_what_is_to_be_read_is_there(name: str) -> None:
    assert (PACKAGE / name).is_file()


def test_an_hour_is_enough_to_read_it() -> None:
    total = sum(len((PACKAGE / name).read_text().splitlines()) for name in reading_order())
    assert 0 < total <= MOST_LINES


@pytest.mark.parametrize("room", ["probes", "host", "unmount", "reconcilers", "core", "state", "checks", "status"])
def test_text_from_outside_is_cut_at_line_feeds_alone(room: str) -> None:
    """str.splitlines also cuts at nine characters that a name of others may have in it: nvkeep.host.text.lines does not."""
    calls = {
        (path.name, node.attr)
        for path in (PACKAGE / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert calls
    assert {name for name, attribute in calls if attribute == "splitlines"} == set()
