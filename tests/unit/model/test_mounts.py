"""Mount options that cancel each other: the last one counts, for mount(8) and so for cluster.yaml and the import."""

import pytest

from nvkeep.config import parsing
from nvkeep.errors import ConfigError
from nvkeep.model.mounts import cancelled, typed
from tests.unit.config.test_fuzz import VALID

PAIRS = ["noatime,relatime", "relatime,noatime", "ro,rw", "nodev,dev", "strictatime,noatime", "nosuid,suid", "noexec,exec"]


@pytest.mark.parametrize("written", PAIRS)
def test_the_last_of_two_that_cancel_each_other_counts(written: str) -> None:
    first, last = written.split(",")
    assert cancelled([first, last]) == [(0, first, last)]
    assert cancelled(["nodiratime", first, "sync", last]) == [(1, first, last)]


@pytest.mark.parametrize("written", ["noatime,nodiratime", "noatime,noatime", "ro,noatime,nodev", ""])
def test_what_goes_together_is_left_alone(written: str) -> None:
    assert cancelled(written.split(",")) == []


@pytest.mark.parametrize("written", PAIRS)
def test_check_says_which_of_the_two_counts(written: str) -> None:
    first, last = written.split(",")
    with pytest.raises(ConfigError) as refused:
        parsing.parse(VALID.replace("options: [noatime]", f"options: [{written}]"))
    (problem,) = refused.value.problems
    assert problem.text == f"{first} and {last} cancel each other, and mount(8) takes the last; leave out {first}"


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("noatime", "noatime"),
        ("context=a_u:b_r:c_t:s0", "context=a_u:b_r:c_t:s0"),
        ("context=a:s0:c1,c2", 'context="a:s0:c1,c2"'),
    ],
)
def test_a_value_with_a_comma_is_typed_in_quotes(option: str, word: str) -> None:
    assert typed(option) == word
