"""`systemctl show` as systemd prints it, and what the kind makes of it."""

import pytest

from nvkeep.errors import ProbeError
from nvkeep.host import Completed
from nvkeep.probes.unit import INSTALLED, Entry, Install, installed, parse, parse_install
from tests.unit.played import Played

ACTIVE = """\
MainPID=812
Result=success
LoadState=loaded
ActiveState=active
SubState=running
InactiveEnterTimestampMonotonic=0
"""


def test_an_active_unit() -> None:
    assert parse(ACTIVE) == Entry("loaded", "active", "running", "success", job=False, pid=812, inactive_since=0.0)


def test_an_unknown_unit_is_an_answer() -> None:
    seen = parse("LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success\nMainPID=0\n")
    assert (seen.load, seen.active, seen.pid) == ("not-found", "inactive", 0)


@pytest.mark.parametrize(("line", "job"), [("", False), ("Job=\n", False), ("Job=0\n", False), ("Job=1234\n", True)])
def test_a_queued_job(line: str, job: bool) -> None:
    assert parse(ACTIVE + line).job is job


def test_times_are_seconds_of_boot() -> None:
    text = ACTIVE.replace("Monotonic=0", "Monotonic=12500000")
    assert parse(text).inactive_since == 12.5


def test_a_value_may_contain_an_equals_sign_and_a_socket_has_no_pid() -> None:
    seen = parse(ACTIVE.replace("MainPID=812\n", "").replace("Result=success", "Result=a=b"))
    assert (seen.result, seen.pid) == ("a=b", 0)


@pytest.mark.parametrize("key", ["LoadState", "ActiveState", "SubState"])
def test_a_state_that_is_missing_is_unknown(key: str) -> None:
    text = "".join(line for line in ACTIVE.splitlines(keepends=True) if not line.startswith(key))
    with pytest.raises(ProbeError, match=key):
        parse(text)


@pytest.mark.parametrize("text", ["", "Failed to connect to bus: No such file or directory", "MainPID=x\n" + ACTIVE[12:]])
def test_anything_else_is_unknown_not_absent(text: str) -> None:
    with pytest.raises(ProbeError, match="systemctl show"):
        parse(text)


SHOWN = """\
LoadState=loaded
UnitFileState={file}
WantedBy={wanted}
RequiredBy=
"""


@pytest.mark.parametrize(
    ("file", "wanted", "at_boot"),
    [
        ("disabled", "", False),
        ("enabled", "multi-user.target", True),
        ("enabled-runtime", "", False),
        ("enabled", "", True),
        ("generated", "graphical.target multi-user.target", True),
        ("disabled", "mine.target", False),
        ("static", "", False),
        ("enabled", "sockets.target", True),
    ],
)
def test_what_is_started_at_boot(file: str, wanted: str, at_boot: bool) -> None:
    assert parse_install(SHOWN.format(file=file, wanted=wanted)).at_boot is at_boot


def test_what_triggers_a_unit_starts_it() -> None:
    assert parse_install(SHOWN.format(file="disabled", wanted="") + "TriggeredBy=a.socket a.timer\n").pulled == {
        "a.socket",
        "a.timer",
    }


def test_a_masked_unit() -> None:
    assert parse_install("LoadState=masked\nUnitFileState=masked\n") == Install("masked", "masked", frozenset())


def test_several_units_are_asked_in_one_call() -> None:
    argv = ("systemctl", "show", f"--property={INSTALLED}", "--", "a.service", "b.service")
    both = f"{SHOWN.format(file='disabled', wanted='')}\n{SHOWN.format(file='enabled', wanted='')}"
    host = Played(said={argv: Completed(argv, 0, both, "")})
    seen = installed(host, ("a.service", "b.service"))  # type: ignore[arg-type]  # as much of a Host as is asked
    assert {name: one.at_boot for name, one in seen.items()} == {"a.service": False, "b.service": True}
    host.said[argv] = Completed(argv, 0, SHOWN, "")
    with pytest.raises(ProbeError, match="printed 1 units, not the 2 that were asked for"):
        installed(host, ("a.service", "b.service"))  # type: ignore[arg-type]  # as above
