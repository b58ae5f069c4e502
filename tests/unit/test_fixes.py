"""Every command that nvkeep prints for somebody to type: one that only shows something, or one that a test types.

The test that types it sees that what was wrong is gone. What this place has no machine for is in a list of its own, with why.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from nvkeep.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
VERB = "|".join((*VERBS, "--help", "--version"))
PROGRAMS = (
    "systemctl|ssh|scp|env|ip|umount|chmod|chown|rm|mkdir|drbdadm|findmnt|df|ls|lsblk|realpath|modprobe|hostnamectl|timedatectl"
    "|semodule|sed|echo|keepalived -t|nft|tcpdump|journalctl|apt-get|systemd-analyze|systemd-tmpfiles|ps|readlink"
)
PRINTED = re.compile(rf"(?:^|[;:,] |\(|`|: )((?:nvkeep (?:{VERB})\b|make install|(?:{PROGRAMS}) )[^;`),\n]*)")
SENTENCE = re.compile(
    r"systemctl (?:show|reload \{\} ended|disable$)|nvkeep setup --(?:check|step \{\})$"
    r"|nvkeep (?:keepalived|import)$|nvkeep move \{name\}"
)
LOOKS = re.compile(
    r"(?:ls|df|findmnt|lsblk|realpath|ps|journalctl|systemd-analyze|nft list|tcpdump|readlink|keepalived -t|ip neigh get)\b"
    r"|ip(?: -br)? link$|ip address show|systemctl status|drbdadm status"
    r"|nvkeep (?:status|history|plan -o|show|check|agreement|holders|schema|setup --check|keepalived --check|--help|--version)"
    r"|ssh \{\} (?:true|cat|ls|nvkeep (?:status|agreement|keepalived --check)|\{\})|env -u \{\} ssh"
)
FIX, READY, SETUP, ORDERS, OUTSIDE = (
    f"tests/cluster/test_{name}.py" for name in ("every_fix", "readiness", "setup", "orders", "outside")
)
DRBD, IMPORT = "tests/machines/test_drbd.py", "tests/unit/legacy/test_import.py"
SELINUX = "tests/machines/test_selinux.py"
TYPED = {  # the command, and the words of the test that types it
    "chown root {} && chmod go-w {}": (FIX, "a cluster.yaml that others can write"),
    "nvkeep apply {}": ("tests/cluster/test_screens.py", '"apply", PLAN'),
    "nvkeep notify --test": ("tests/cluster/test_notify.py", '"notify", "--test"'),
    "nvkeep activate": (FIX, "on standby"),
    "nvkeep apply": (FIX, "no pass yet"),
    "nvkeep keepalived --install": (READY, "keepalived is not as generated"),
    "nvkeep maintenance {} --end": (FIX, "in maintenance"),
    "nvkeep override end {} {}": (FIX, "an order that cannot be read"),
    "nvkeep reset {}": (FIX, "a record that cannot be read"),
    "nvkeep role {} --unset": (FIX, "a role by hand"),
    "nvkeep start {}": (FIX, "stopped here"),
    "rm {} && {} && systemctl restart keepalived": (FIX, "a file for a FIFO"),
    "systemctl daemon-reload && systemctl restart keepalived": (FIX, "answers where others write"),
    "systemctl reload keepalived": (FIX, "a FIFO that was removed"),
    "systemctl start keepalived": (FIX, "keepalived stopped"),
    "systemd-tmpfiles --create nvkeep.conf": (FIX, "no FIFO"),
    "umount {}": (FIX, "a mount over ours"),
    "ip link set dev {} up": (READY, "the interface is down"),
    "sed -i '{}s/^/# /' {} && systemctl daemon-reload": (READY, "fstab has it"),
    "systemctl disable --now {}": (READY, "a socket starts it at boot"),
    "systemctl disable {}": (READY, "the unit is enabled"),
    "systemctl unmask {}": (READY, "the unit is masked"),
    "systemctl edit {}": (OUTSIDE, "T24"),
    "systemctl enable --now keepalived": (FIX, "keepalived not enabled"),
    "mkdir -p {} && ln -s /dev/null {} && systemctl daemon-reload": (FIX, "linked by a package"),
    "ssh {} nvkeep override end {}": (FIX, "but maybe on"),
    "make install": (SETUP, '"make", "-C"'),
    "rm {}": (FIX, "a link of somebody else"),
    "hostnamectl set-hostname {}": (SETUP, '"hostnamectl", "set-hostname"'),
    "nvkeep setup": (SETUP, '"--yes"'),
    "nvkeep setup --yes": (SETUP, '"--yes"'),
    "nvkeep setup --local": (SETUP, '"--local"'),
    "nvkeep setup --files": ("tests/cluster/test_packages.py", '"setup", "--files"'),
    "nvkeep setup --undo": (SETUP, '"--undo"'),
    "scp {} {}:{}": (SETUP, "the printed scp"),
    'nvkeep maintenance {} --for 2h --reason "..."': (ORDERS, '"maintenance", "pg", "--for"'),
    "nvkeep move {}": (ORDERS, '"nvkeep", "move"'),
    "nvkeep move {} --to {}": (ORDERS, '"nvkeep", "move"'),
    "nvkeep start {} --here": ("tests/cluster/verbs.py", "start pg --here"),
    "drbdadm up {}": (DRBD, "is not up here"),
    "drbdadm attach {}": (DRBD, "drbdadm attach"),
    "drbdadm connect --discard-my-data {} on the host whose data shall go": (DRBD, "--discard-my-data"),
    "sed -i 's/\\r$//' FILE": ("tests/unit/legacy/test_bash.py", "convert it"),
    "nvkeep import --force -o {}": (IMPORT, '"--force"'),
    "nvkeep import -o {}": (IMPORT, '"-o"'),
    "nvkeep import CONF FSTAB": (IMPORT, "nvkeep_service.conf"),
    "nvkeep keepalived --for-version 2.2.7": ("tests/unit/cli/test_verbs.py", '"--for-version", "2.2.7"'),
    "semodule -i /usr/share/nvkeep/nvkeep.cil && restorecon -R /run/nvkeep && systemctl reload keepalived": (
        SELINUX,
        'b.run(("sh", "-c", LABEL)',
    ),
    "apt-get install openssh-client": ("tests/cluster/test_peers.py", '"apt-get install openssh-client"'),
    "timedatectl set-ntp true": ("tests/machines/test_clock.py", '"timedatectl set-ntp true"'),
    "echo manual > /etc/postgresql/{}/{}/start.conf && systemctl daemon-reload": (OUTSIDE, "P1"),
}


def printed() -> set[str]:
    """Collect the commands in all strings of the package; what is put in is {}."""
    texts = [text for path in sorted((ROOT / "nvkeep").rglob("*.py")) for text in strings(ast.parse(path.read_text()))]
    commands = {match[1].strip() for text in texts for match in PRINTED.finditer(text)}
    return {command for command in commands if not SENTENCE.search(command)}


def strings(tree: ast.Module) -> list[str]:
    """List the strings of a module that are not its documentation."""
    holders = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)]
    left_out = {id(node.body[0].value) for node in holders if node.body and isinstance(node.body[0], ast.Expr)}
    left_out |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    return [text(node) for node in ast.walk(tree) if id(node) not in left_out]


def text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_command_that_is_printed_shows_something_or_is_typed_by_a_test() -> None:
    fixes = {command for command in printed() if not LOOKS.match(command)}
    assert fixes - {*TYPED} == set()
    assert {*TYPED} - fixes == set()


@pytest.mark.parametrize("command", TYPED)
def test_the_test_that_types_it_is_there(command: str) -> None:
    file, words = TYPED[command]
    assert words in (ROOT / file).read_text()
