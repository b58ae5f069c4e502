"""A clock that jumps moves nothing: wall time is for people to read, and for what they have set by the clock on the wall."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nvkeep

PACKAGE = Path(nvkeep.__file__).parent
WALL = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "mktime", "CLOCK_REALTIME"},
    "datetime": {"now", "utcnow", "today", "fromtimestamp"},
    "date": {"today", "fromtimestamp"},
}
FOR_PEOPLE = {  # when a line was logged, since when a service is held, until when an order holds
    "log.py:fromtimestamp",
    "host/local.py:strftime",
    "model/override.py:strftime",
    "model/override.py:localtime",
}
BY_PEOPLE = {"host/local.py:time", "admin/failback.py:localtime"}  # the end of an order, the window of a failback


def uses(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if node.attr in WALL.get(owner, ()):
                yield node.attr
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (one.name for one in node.names if one.name in WALL["time"])


def test_nothing_looks_at_the_clock_on_the_wall_but_for_people() -> None:
    found = {f"{file.relative_to(PACKAGE)}:{use}" for file in PACKAGE.rglob("*.py") for use in uses(file.read_text())}
    assert found == FOR_PEOPLE | BY_PEOPLE


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.time()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import date\ndate.today()",
        "from time import time_ns\ntime_ns()",
        "import time\ntime.clock_gettime(time.CLOCK_REALTIME)",
    ],
)
def test_every_way_to_look_at_it_is_found(text: str) -> None:
    assert list(uses(text))
