"""Collects the options that nvkeep gives to programs of others, and reads the tables of docs/distributions.md.

The options are words that begin with a dash: in the package, in the commands that it prints, in the pages, in the units, and in
what installs them.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.unit.test_fixes import printed

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/distributions.md").read_text()
OPTION = re.compile(r"--?[A-Za-z0-9][\w-]*(?:=.*)?", re.DOTALL)
OWN = {"nvkeep", "nvmesh", "nvmesh_attach_volumes", "nvmesh_detach_volumes"}  # what no distribution has
WRAPPERS = {"nsenter", "flock", "env", "ssh", "chroot", "xargs", "python3"}  # run what they name
BUILTINS = {"[", "set", "trap"}  # of the shell
# What has an option outside of a command that begins with its program.
OF_MODULE = {
    "checks/consistency.py": "nvkeep",
    "host/merged.py": "nvmesh",
    "host/ssh.py": "ssh",
    "host/systemd.py": "systemctl",
    "probes/nvme.py": "nvme",
    "probes/scsi.py": "sg_persist",
    "reconcilers/address.py": "ip",
    "reconcilers/mount.py": "nvkeep",
    "reconcilers/backends/nvme.py": "nvme",
    "reconcilers/backends/nvmesh.py": "nvmesh",
    "reconcilers/backends/scsi.py": "sg_persist",
}
OF_ROOM = ("admin/", "cli/", "legacy/", "setup/", "core/", "agent/", "host/local.py")  # whose words are nvkeep's own
WORDS = {  # options that have no dash
    "X-mount.mkdir": "mount",
    "_netdev": "mount",
    "BACK-MAJ:MIN": "losetup",
    "nodad": "ip",
    "status=none": "dd",
    "iflag=direct": "dd",
    "BatchMode=yes": "ssh",
    "ConnectTimeout={}": "ssh",
    "ServerAliveInterval=5": "ssh",
    "ForwardAgent=no": "ssh",
    "ClearAllForwardings=yes": "ssh",
    "ControlPath=none": "ssh",
}
SEPARATOR = r"\|\|?|&&|;|\$\(|\b(?:if|do|then)\s|(?<=-exec)\s|\)\s|(?<!\{)\}\s|\{\s"  # between two commands of a shell
INSTEAD = {("nvme", "--eds"): ("nvme", "--cdw11")}  # what is newer than the oldest, and what is tried where it is not known
ONLY_OF_ONE = {"--no-inquiry", "--version", "--help"}  # mpathpersist is given all else that sg_persist is


@cache
def rows(title: str) -> list[list[str]]:
    """Read a table of the page, under a title of its own."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@cache
def oldest() -> dict[str, tuple[int, ...]]:
    """Give the oldest version of each package."""
    return {package: number(version) for package, version, _ in rows("The oldest of each")}


@cache
def since() -> dict[tuple[str, str], tuple[str, str]]:
    """Give the package of each option, and since when it has it."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for package, program, version, options in rows("Options"):
        found |= {(program.strip("`"), option): (package, version) for option in re.findall(r"`([^`]+)`", options)}
    return found


# --- what is in the source


@cache
def used() -> dict[tuple[str, str], str]:
    """Collect every program and option, with a place where it stands."""
    found = {pair: place for place, pair in (*package(), *typed(), *documented(), *scripts(), *units())}
    both = [option for program, option in found if program == "sg_persist" and option not in ONLY_OF_ONE]
    return found | {("mpathpersist", option): "as sg_persist" for option in both}


Found = Iterator[tuple[str, tuple[str, str]]]


def package() -> Found:
    for path in sorted((ROOT / "nvkeep").rglob("*.py")):
        module = str(path.relative_to(ROOT / "nvkeep"))
        for program, option in options(ast.parse(path.read_text()), owner(module)):
            yield module, (program, option)


def owner(module: str) -> str:
    return OF_MODULE.get(module, "nvkeep" if module.startswith(OF_ROOM) else "")


def options(tree: ast.AST, program: str) -> Iterator[tuple[str, str]]:
    """Name the options in a tree; `program`: whose they are outside of a command."""
    words = sequence(tree)
    if isinstance(tree, ast.Call) and ast.unparse(tree.func).endswith("add_argument"):
        return  # what nvkeep's own commands are given
    if len(words) > 1 and (command := next((text(word) for word in words if text(word)), "")) in programs():
        yield from of_command(words, command)
        return
    if option := as_option(text(tree)):
        yield program, option
    if text(tree) in WORDS:
        yield WORDS[text(tree)], text(tree)
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(tree, ast.JoinedStr) and isinstance(node, ast.Constant)):  # that is a piece of a word
            yield from options(node, program)


def sequence(tree: ast.AST) -> list[ast.expr]:
    """Give what may be a command: a tuple, a list, or what a function is called with."""
    if isinstance(tree, ast.Tuple | ast.List):
        return tree.elts
    return tree.args if isinstance(tree, ast.Call) else []


def of_command(words: list[ast.expr], program: str) -> Iterator[tuple[str, str]]:
    for word in words:
        if program in WRAPPERS and text(word) in programs():
            program = text(word)
        yield from options(word, program)


def text(node: ast.AST) -> str:
    """Give a string; what is put in is {}."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def as_option(word: str) -> str:
    return word.partition("=")[0] if OPTION.fullmatch(word) else ""


@cache
def programs() -> frozenset[str]:
    return frozenset({program for program, _ in since()} | OWN | WRAPPERS)


def typed() -> Found:
    for command in sorted(printed()):
        for pair in of_shell(command):
            yield command, pair


def documented() -> Found:
    """Look at the commands of the pages: between backticks, and in lines that are indented or in a table."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        shown = re.sub(r"(?m)^    (?:# |\$ )?(.*)$", r"`\1`", path.read_text())
        for command in re.findall(r"`([^`\n]+)`", shown):
            for program, option in of_shell(command):
                if program in programs():  # a page has other things between backticks, too
                    yield path.name, (program, option)


def scripts() -> Found:
    for name in ("place", "unplace", "commands"):
        for line in (ROOT / "packaging" / name).read_text().replace("\\\n", " ").splitlines():
            for pair in of_shell(line.partition("# ")[0]):
                yield f"packaging/{name}", pair


def units() -> Found:
    for path in sorted((ROOT / "packaging/systemd").iterdir()):
        for line in path.read_text().splitlines():
            if line.startswith("Exec"):
                for pair in of_shell(line.partition("=")[2].lstrip("-+")):
                    yield path.name, pair


def of_shell(line: str) -> Iterator[tuple[str, str]]:
    """Name the options in a line of a shell."""
    for part in re.split(SEPARATOR, line):
        words = [word.rpartition("/")[2] for word in re.sub("[\"'!]", "", part).replace("$python", "python3").split()]
        words = [word for at, word in enumerate(words) if at or not re.fullmatch(r"\w+=.*", word)]
        program = words[0] if words else ""
        for word in words if program not in BUILTINS else ():
            if program in WRAPPERS and word in programs():
                program = word
            if option := as_option(word):
                yield program, option
