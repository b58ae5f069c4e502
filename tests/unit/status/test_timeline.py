"""A pass as bars, for a terminal and as a picture, and the page that has both."""

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from nvkeep.model.history import Entry
from nvkeep.status.page import page
from nvkeep.status.timeline import bars, svg, text
from tests.unit.model.test_history import MOUNT, TOOK, entry
from tests.unit.status.test_screen import SITUATIONS, Hosts


def step(key: str, word: str, reason: str, verb: str, begun: float, seconds: float, *ran: str) -> dict[str, object]:
    return {"key": key, "word": word, "reason": reason, "verb": verb, "begun": begun, "seconds": seconds, "ran": [*ran]}


ODD = entry(why='<b>"&', service="pg") | {
    "by": "nvkeep agent",
    "steps": [
        step("volume vol1", "converged", "", "seize", 0.01, 0.2, "attach"),
        step("mount /srv/<pg>", "failed", "EIO", "acquire", 0.21, 0.1, "mount"),
        step("service x", "blocked", "waits", "", 0.0, 0.0),
    ],
}  # fmt: skip


def test_bars_are_in_the_order_in_which_the_steps_began() -> None:
    assert [(bar.label, bar.begun, bar.seconds, bar.well) for bar in bars(ODD)] == [
        ("look and decide", 0.0, 0.01, True),
        ("seize volume vol1", 0.01, 0.2, True),
        ("acquire mount /srv/<pg>", 0.21, 0.1, False),
    ]  # fmt: skip


def test_a_terminal_of_80_columns_is_enough_for_the_bars() -> None:
    lines = list(text(ODD))
    drawn = [line for line in lines if line.endswith("#")]
    assert len(drawn) == 3
    assert all(len(line) <= 80 for line in drawn)
    assert "  ! mount /srv/<pg>: failed: EIO" in lines
    assert "  away for 0.60 s at most: from the last answer elsewhere until all of it stood here" in lines
    assert [line.index("#") for line in drawn] == sorted(line.index("#") for line in drawn)


def test_the_first_answer_is_drawn_where_it_was_heard() -> None:
    answered = ODD | {"answered": 0.25}
    assert [bar.label for bar in bars(answered)][-2:] == ["acquire mount /srv/<pg>", "the service answers"]
    assert "  away for 0.60 s: from the last answer elsewhere until it answered here" in list(text(answered))


@pytest.mark.parametrize("made", [ODD, entry(TOOK) | {"by": "x"}, entry(TOOK) | {"by": "x", "steps": []}])
def test_the_picture_is_well_formed_and_shows_what_is_named(made: Entry) -> None:
    tree = ET.fromstring(svg(made))  # noqa: S314 - made here
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}rect"))) == len(bars(made))


class Tags(HTMLParser):
    """Sees that every tag is closed, and collects what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [tag] if tag not in ("meta", "rect") else []
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


@pytest.mark.parametrize("hosts", [row[1] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS])
def test_the_page_stands_alone_and_is_well_formed(hosts: Hosts) -> None:
    made = page("trio <&>", {"pg": hosts}, ["  a and b agree"], [ODD, entry(outcomes=[MOUNT]) | {"by": "x"}], 1.8e9, "a")
    tags = Tags()
    tags.feed(made)
    assert tags.open == []
    assert tags.fetched == []
    assert "<b>" not in made
    assert "trio &lt;&amp;&gt;" in made
    assert made.count("<svg") == 2
