"""Every option that nvkeep gives to a program of others is known to the oldest of them that docs/distributions.md lists.

One that no program can be named for fails the test. tests/unit/collected.py says where they are looked for.
"""

import ast
import re

import pytest

from tests.unit.collected import INSTEAD, OWN, ROOT, number, of_shell, oldest, options, rows, since, used


def of_others() -> dict[tuple[str, str], str]:
    return {pair: place for pair, place in used().items() if pair[0] not in OWN}


def test_every_option_is_in_the_table_and_nothing_else_is() -> None:
    found = of_others()
    assert {pair: place for pair, place in found.items() if pair not in since()} == {}
    assert {pair for pair in since() if pair not in found} == set()


@pytest.mark.parametrize("pair", sorted(since()), ids=" ".join)
def test_the_oldest_of_each_knows_it(pair: tuple[str, str]) -> None:
    package, version = since()[pair]
    if pair in INSTEAD:
        assert number(version) > oldest()[package]
        pair = INSTEAD[pair]
        package, version = since()[pair]
    assert number(version) <= oldest()[package]


def test_what_is_collected_is_what_is_run() -> None:
    """The collector sees each of its sources: a tuple, parts of one, a call, a wrapped command, a shell and a page."""
    places = used()
    for pair in (
        ("systemctl", "--job-mode"), ("ssh", "ControlPath=none"), ("find", "-mindepth"), ("umount", "--recursive"),
        ("cp", "-al"), ("systemd-tmpfiles", "--create"), ("systemctl", "--quiet"), ("mpathpersist", "--reserve"),
    ):  # fmt: skip
        assert pair in places


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('("mount", "--mkdir", path)', [("mount", "--mkdir")]),
        ('run(host, "mount", "--mkdir=0700")', [("mount", "--mkdir")]),
        ('("nsenter", "--mount", "umount", "-N", f"{pid}")', [("nsenter", "--mount"), ("umount", "-N")]),
        ('LATER = ("--kill-whom=main",)', [("", "--kill-whom")]),
        ('WORD = f"--new={word}"', [("", "--new")]),
        ('parser.add_argument("--json", "-j")', []),
    ],
)
def test_no_option_is_overlooked(source: str, found: list[tuple[str, str]]) -> None:
    assert list(options(ast.parse(source), "")) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("systemctl kill --kill-whom=main {} && rm -f FILE", [("systemctl", "--kill-whom"), ("rm", "-f")]),
        ('LC_ALL=C find "$a" -print0 | xargs -0 rm -f', [("find", "-print0"), ("xargs", "-0"), ("rm", "-f")]),
        ("ssh {} umount -N 1", [("umount", "-N")]),
        ("find . -type f -exec rm -rf {} +", [("find", "-type"), ("find", "-exec"), ("rm", "-rf")]),
        ("nvkeep maintenance {} --end", [("nvkeep", "--end")]),
    ],
)
def test_no_option_of_a_shell_is_overlooked(line: str, found: list[tuple[str, str]]) -> None:
    assert list(of_shell(line)) == found


# --- the units

KNOWN = """
AccuracySec After Before CapabilityBoundingSet ConditionPathExists Description Environment ExecStart ExecStop
ExecStopPost KeyringMode KillMode LimitMEMLOCK LockPersonality LogLevelMax MemoryDenyWriteExecute NoNewPrivileges
OnActiveSec OnCalendar OnUnitActiveSec OOMScoreAdjust PrivateMounts PrivateTmp ProtectHome ProtectKernelModules
ProtectSystem ReadWritePaths RefuseManualStop RemainAfterExit Restart RestartSec RestrictAddressFamilies
RestrictNamespaces RestrictRealtime RuntimeDirectory RuntimeDirectoryMode StartLimitIntervalSec SuccessExitStatus
SystemCallArchitectures SystemCallErrorNumber SystemCallFilter TimeoutStartSec TimeoutStopSec Type WantedBy Wants
WatchdogSec
"""  # to systemd 239: its NEWS and the manual of EL 8 have them


def directives() -> set[str]:
    texts = [path.read_text() for path in (ROOT / "packaging/systemd").iterdir()]
    return {name for text in texts for name in re.findall(r"(?m)^(\w+)=", text)}


def test_the_directives_that_an_old_systemd_ignores_are_those_of_the_page() -> None:
    newer = {name.strip("`="): number(version)[0] for name, version, _ in rows("Directives")}
    assert directives() - {*KNOWN.split()} == {*newer}
    assert min(newer.values()) > oldest()["systemd"][0]
