"""What `nvkeep status` prints of what the hosts say, and the exit code that follows."""

import json
from typing import Any

import pytest

from nvkeep.host import Completed
from nvkeep.host.ssh import OPTIONS
from nvkeep.model.consistency import Compared, Difference
from nvkeep.status import cluster
from nvkeep.status.cluster import Everywhere
from tests.unit.played import Played

SERVES = {"service": "nfs", "summary": "ok", "role": "MASTER", "holder": "this host", "eligible": True, "eligible_why": "",
          "last_pass": "2 s ago: serve", "warnings": []}  # fmt: skip
WAITS = SERVES | {"role": "BACKUP", "holder": "another host (a)", "last_pass": "1 s ago: rest"}
UNREADY = WAITS | {"summary": "degraded", "eligible": False, "eligible_why": "x.service is masked; systemctl unmask x.service",
                   "warnings": ["x.service is masked; systemctl unmask x.service"]}  # fmt: skip
SILENT = {"unheard": "cannot reach b over ssh: no route; passwordless login must work: ssh b true"}


def seen(a: dict[str, Any], b: dict[str, Any], compared: Compared = Compared(5.0), *lines: str) -> Everywhere:  # noqa: B008 - frozen
    return Everywhere({"nfs": {"a": a, "b": b}}, {"b": compared}, lines)


def test_the_worst_first_and_a_block_for_each_service() -> None:
    fix = "x.service is masked; systemctl unmask x.service"
    assert (
        str(seen(SERVES, UNREADY, Compared(5.0), "  a and b agree"))
        == f"""\
degraded: nfs: served by a; b may not take over: {fix}

nfs: degraded: served by a; b may not take over: {fix}
  a: ok, role MASTER; last pass 2 s ago: serve
  b: degraded, role BACKUP, may not take over; last pass 1 s ago: rest
    ! {fix}

agreement
  a and b agree"""
    )


@pytest.mark.parametrize(
    ("a", "b", "compared", "code"),
    [
        (SERVES, WAITS, Compared(5.0), 0),
        (SERVES, UNREADY, Compared(5.0), 1),
        (SERVES, WAITS, Compared(5.0, (Difference(("nfs",), "differs"),)), 1),
        (SERVES, WAITS | {"summary": "split"}, Compared(5.0), 2),
        (SERVES, SILENT, Compared(5.0, (), "no route"), 1),
        (SERVES, WAITS | {"summary": "a word of a later release"}, Compared(5.0), 1),
        (SERVES | {"summary": "a word of a later release"}, WAITS, Compared(5.0), 3),
        (WAITS, UNREADY | {"summary": "standby", "orders": ["on standby"]}, Compared(5.0), 2),
    ],
)
def test_the_exit_code_is_that_of_the_first_line(a: dict[str, Any], b: dict[str, Any], compared: Compared, code: int) -> None:
    assert seen(a, b, compared).code == code


def test_for_programs() -> None:
    plain = json.loads(json.dumps(seen(SERVES, WAITS, Compared(5.0, (Difference(("nfs",), "differs"),))).plain()))
    assert plain["services"]["nfs"]["served_by"] == ["a"]
    assert plain["agreement"]["b"]["differs"] == [{"services": ["nfs"], "text": "differs"}]


SSH = ("ssh", *OPTIONS, "--", "b", "nvkeep status --json")


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Completed(SSH, 255, "", "ssh: no route\n"), "cannot reach b over ssh: ssh: no route; "),
        (
            Completed(SSH, 2, "", "cluster.yaml:1:1: wrong\n"),
            "ended with 2, and printed no JSON: cluster.yaml:1:1: wrong; ssh b nvkeep status",
        ),
        (Completed(SSH, 0, "[3]", ""), "`nvkeep status --json` on b printed something unexpected; ssh b nvkeep status"),
    ],
)
def test_a_host_that_gives_no_answer(done: Completed, said: str) -> None:
    host = Played(said={SSH: done})
    told = cluster._of(cluster._ask(host, "b"), "nfs")  # type: ignore[arg-type]  # as much of a Host as is asked
    assert said in told["unheard"]


def test_a_host_that_does_not_know_the_service() -> None:
    host = Played(said={SSH: Completed(SSH, 0, json.dumps([SERVES]), "")})
    asked = cluster._ask(host, "b")  # type: ignore[arg-type]  # as above
    assert cluster._of(asked, "nfs") == SERVES
    assert "does not list web" in cluster._of(asked, "web")["unheard"]
