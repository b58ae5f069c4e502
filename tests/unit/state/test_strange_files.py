"""Whatever stands in a file of state, a pass goes on: what cannot be read is unknown, never a default, and never a crash."""

import json

import pytest

from nvkeep.errors import ProbeError
from nvkeep.model.override import Kind, moment
from nvkeep.state.orders import DIRECTORY, Overrides, Timestamps
from nvkeep.state.service import Store
from tests.unit.played import Played

BOOT = "0a1b2c3d-0000-1111-2222-333344445555/7"


class Booted(Played):
    def boot_id(self) -> str:
        return BOOT


def store(path: str, text: str) -> Store:
    return Store(Booted(files={path: text}), "pg")  # type: ignore[arg-type]  # as much of a Host as is asked


@pytest.mark.parametrize(
    ("text", "claimed"),
    [(f"{BOOT}\n", True), ("", True), ("0a1b2c3d", True), ("\0\0\0", True), (BOOT.replace("0a", "ff", 1), False)],
)
def test_only_another_boots_claim_is_none(text: str, claimed: bool) -> None:
    assert store("/run/nvkeep/claim/pg", text).claimed() is claimed


@pytest.mark.parametrize(
    "outcomes", [None, "x", [{}], [None], [{"key": 1, "word": "in-sync", "reason": ""}], {"a": 1}, "[" * 5000]
)
def test_a_report_of_another_shape_is_no_report(outcomes: object) -> None:
    text = json.dumps({"boot": BOOT, "at": 1.0, "did": "serve", "outcomes": outcomes})
    assert store("/run/nvkeep/report/pg", text).report() == {}
    assert store("/run/nvkeep/report/pg", text).settled_before() == set()


@pytest.mark.parametrize("text", ["[" * 100_000, "1e999", "NaN", "", "null", '{"loss": 1}'])
def test_nothing_in_a_file_raises(text: str) -> None:
    for path, read in (
        ("/run/nvkeep/standing/pg", Store.timers), ("/run/nvkeep/starts/pg", Store.starts),
        ("/var/lib/nvkeep/loss/pg", Store.fencing), ("/run/nvkeep/report/pg", Store.report),
    ):  # fmt: skip
        read(store(path, text))
    with pytest.raises(ProbeError):
        store("/run/nvkeep/held/pg", text or "x").held()


@pytest.mark.parametrize("until", ["1e17", "Infinity", "NaN", "1" + "0" * 400, "-1", '"soon"', "null"])
def test_an_order_without_a_possible_end_cannot_be_read(until: str) -> None:
    text = f'{{"service": "pg", "owner": "o", "reason": "r", "since": "s", "until": {until}}}'
    host = Booted(files={f"{DIRECTORY}/maintenance.pg": text})
    with pytest.raises(ProbeError, match="nvkeep override end maintenance pg"):
        Overrides(host).read(Kind.MAINTENANCE, "pg")  # type: ignore[arg-type]  # as above


def test_the_last_end_there_is_can_be_printed() -> None:
    assert moment(32_503_680_000.0).startswith(("3000", "2999"))


def test_a_time_that_is_none_was_not() -> None:
    host = Booted(files={"/run/nvkeep/moving/pg": f'{{"at": 1{"0" * 400}, "boot": "{BOOT}"}}'})
    assert not Timestamps(host, "pg").moving()  # type: ignore[arg-type]  # as above
