"""What hosts ask each other is read by its keys, also of a host with the version before, and after what a shell prints."""

import json
from typing import Any

import pytest

from nvkeep.host import Completed
from nvkeep.host.ssh import json_of
from nvkeep.model.decision import Holder
from nvkeep.model.summary import HOLDERS
from nvkeep.status.cluster import whole
from nvkeep.status.screen import holds

STATUS = [{"service": "pg"}]
NOISE = "hello root\n[info] 3 updates\n{not json\n"
OK, WRONG = {"mark": "[OK]"}, {"mark": "[NOT OK]"}


def done(out: str, err: str = "") -> Completed:
    return Completed(("nvkeep", "status", "--json"), 0, out, err)


@pytest.mark.parametrize("before", ["", NOISE])
@pytest.mark.parametrize("after", ["", "\nlogout\n"])
def test_what_a_shell_prints_around_the_json_is_passed_over(before: str, after: str) -> None:
    assert json_of("srv-b", done(f"{before}{json.dumps(STATUS, indent=2)}{after}")) == STATUS


def test_what_is_printed_instead_of_json_is_named() -> None:
    with pytest.raises(ValueError, match=r"`nvkeep status --json` on srv-b ended with 0, and printed no JSON: hello root"):
        json_of("srv-b", done(NOISE))
    with pytest.raises(ValueError, match="printed no JSON: command not found"):
        json_of("srv-b", done("", "sh: 1\ncommand not found\n"))


NEW = [
    ({"holder": "this host", "holder_word": "me", "settled": True, "lines": [WRONG]}, (True, True)),
    ({"holder": "in other words", "holder_word": "me", "settled": False, "lines": [OK]}, (True, False)),
    ({"holder": "this host", "holder_word": "another", "settled": True, "lines": []}, (False, False)),
]
BEFORE = [
    ({"holder": HOLDERS[Holder.ME], "lines": [OK, OK]}, (True, True)),
    ({"holder": HOLDERS[Holder.ME], "lines": [OK, WRONG]}, (True, False)),
    ({"holder": HOLDERS[Holder.NOBODY], "lines": [OK]}, (False, False)),
    ({"holder": "another host (srv-c)", "lines": [OK]}, (False, False)),
    ({}, (False, False)),
]


@pytest.mark.parametrize(("status", "wanted"), [*NEW, *BEFORE])
def test_who_holds_and_serves_is_read_by_keys_and_of_the_version_before_by_its_words(
    status: dict[str, Any], wanted: tuple[bool, bool]
) -> None:
    assert (holds(status), whole(status)) == wanted
