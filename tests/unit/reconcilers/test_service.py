"""The kind `service`: a start limit, a start that takes too long, and what starts a unit at boot."""

import pytest

from nvkeep.host import Completed
from nvkeep.model.finding import Mark
from nvkeep.probes import unit as probe
from nvkeep.reconcilers.service import REFUSED, UnitKind, UnitState
from tests.unit.played import Played

KIND, UNIT = UnitKind(), "postgresql@15-main.service"
START = f"systemctl start --no-block -- {UNIT}"
FORGET = f"systemctl reset-failed -- {UNIT}"


def shown(active: str, result: str = "success") -> Played:
    argv = ("systemctl", "show", f"--property={probe.PROPERTIES}", "--", UNIT)
    text = f"LoadState=loaded\nActiveState={active}\nSubState=dead\nResult={result}\n"
    return Played(said={argv: Completed(argv, 0, text, "")})


def test_a_start_limit_is_cleared_before_the_next_start() -> None:
    have = KIND.observe(shown("failed", "start-limit-hit"), UNIT)  # type: ignore[arg-type]  # as much of a Host as is asked
    assert have == UnitState(REFUSED)
    assert [str(step) for step in KIND.adjust(UNIT, have) or ()] == [FORGET, START]
    assert [str(step) for step in KIND.release(UNIT, have)] == [FORGET]
    assert [str(step) for step in KIND.isolate(UNIT, have)] == [FORGET]
    assert not KIND.pending(have, leaving=False)


def test_what_only_failed_is_absent() -> None:
    assert KIND.observe(shown("failed", "exit-code"), UNIT) is None  # type: ignore[arg-type]  # as above


def test_a_start_that_systemd_has_cut_short_names_its_time_out() -> None:
    said = KIND.failure(shown("failed", "timeout"), UNIT)  # type: ignore[arg-type]  # as above
    assert "TimeoutStartSec" in said
    assert f"systemctl edit {UNIT}" in said


# --- at boot ------------------------------------------------------------------------------------------------------------

GENERATED = f"/run/systemd/generator/postgresql.service.wants/{UNIT}"
ENABLED = "/etc/systemd/system/multi-user.target.wants/postgresql.service"
VENDORS = f"/usr/lib/systemd/system/multi-user.target.wants/{UNIT}"
MANUAL = "echo manual > /etc/postgresql/15/main/start.conf && systemctl daemon-reload"
OVER = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"


def found(state: str, *links: str, by: str = "", null: str = "") -> tuple[Mark, str, str]:
    """Look at a host with these links, where systemd says of each unit asked for only its state, and `by` of ours."""

    def says(argv: tuple[str, ...]) -> str:
        rows = [f"LoadState=loaded\nUnitFileState={state if name == UNIT else 'disabled'}\n" for name in argv[4:]]
        rows = [row + (f"WantedBy={by}\n" if name == UNIT else "") for row, name in zip(rows, argv[4:], strict=True)]
        return "\n".join(rows)

    class Asked(Played):
        def run(self, argv, timeout=10.0):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG002 - as of Played
            return Completed(tuple(argv), 0, says(tuple(argv)), "")

    host = Asked(files=dict.fromkeys((*links, *filter(None, [null])), ""), links={null: "/dev/null"})
    (seen,) = KIND.prerequisites(host, [UNIT], thorough=False)  # type: ignore[arg-type]  # as above
    return seen.mark, seen.why, seen.fix


def test_debians_generator_is_told_by_start_conf() -> None:
    mark, why, fix = found("enabled-runtime", GENERATED, ENABLED, by="postgresql.service")
    assert mark is Mark.NOT_OK
    assert "postgresql.service" in why
    assert fix == MANUAL


def test_what_nothing_of_a_boot_pulls_in_is_not_started_at_boot() -> None:
    assert found("enabled-runtime", GENERATED, by="postgresql.service")[0] is Mark.OK
    assert found("disabled")[0] is Mark.OK


@pytest.mark.parametrize(
    ("links", "by", "fix"),
    [
        ((), "multi-user.target", f"systemctl disable {UNIT}"),
        ((OVER,), "", f"systemctl disable {UNIT}"),
        ((VENDORS,), "", f"mkdir -p {OVER.rpartition('/')[0]} && ln -s /dev/null {OVER} && systemctl daemon-reload"),
    ],
)
def test_the_advice_fits_whoever_made_the_link(links: tuple[str, ...], by: str, fix: str) -> None:
    assert found("enabled", *links, by=by)[::2] == (Mark.NOT_OK, fix)


def test_a_link_that_was_taken_back_starts_nothing() -> None:
    """As nvkeep advises; `systemctl is-enabled` goes by the link's name, and `systemctl disable` would bring the other back."""
    assert found("enabled", VENDORS, null=OVER)[0] is Mark.OK
    assert found("enabled", GENERATED, VENDORS, null=OVER)[0] is Mark.OK
    assert found("enabled", GENERATED, ENABLED, null=OVER)[0] is Mark.NOT_OK
