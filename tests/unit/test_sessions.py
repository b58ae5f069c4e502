"""How the sessions of docs/operations.md are read and compared: a document that lies must not pass."""

import pytest

from tests.cluster import sessions

TEXT = """\
# A title

## First

Words, `srv-a# not a command`.

<!-- ends on srv-b, seized -->
```console
srv-a# nvkeep move pg --to srv-b
pg: srv-b serves it; outage 0.9 s, ...
srv-b# nvkeep status    # exit 4
...
pg on srv-b: ok
```

## Without a session

## Second

```console
srv-a# systemctl restart x  # a comment of its own
```
"""


def test_a_session_is_read_line_by_line() -> None:
    first, second = sessions.read(TEXT)
    assert (first.title, first.ends, first.seized) == ("First", "srv-b", True)
    assert [(one.server, one.command, one.code, one.printed) for one in first.steps] == [
        ("srv-a", "nvkeep move pg --to srv-b", 0, ["pg: srv-b serves it; outage 0.9 s, ..."]),
        ("srv-b", "nvkeep status", 4, ["pg on srv-b: ok"]),
    ]
    assert [one.looks for one in first.steps] == [False, True]
    assert (second.title, second.ends, second.seized) == ("Second", "srv-a", False)
    assert second.steps[0].command == "systemctl restart x  # a comment of its own"


@pytest.mark.parametrize(
    ("printed", "expected", "lacks"),
    [
        ("a\nb\nc\n", ["a", "c"], ""),
        ("a\nb\n", ["b", "a"], "a"),
        ("one\n", ["one", "one"], "one"),
        ("it took 12.34 s here\n", ["it took 0.5 s here"], ""),
        ("it took 12.34 ms here\n", ["it took 0.5 s here"], "it took 0.5 s here"),
        ("10.77.0.11\n", ["10.77.0.10"], "10.77.0.10"),
        ("since 2026, by root\n", ["since ..., by root"], ""),
        ("axb\n", ["a.b"], "a.b"),
        ("", ["a"], "a"),
    ],
)
def test_what_is_printed_is_compared_in_its_order(printed: str, expected: list[str], lacks: str) -> None:
    assert sessions.missing(printed, expected) == lacks


def test_the_document_has_every_procedure_once() -> None:
    found = sessions.read(sessions.DOCUMENT.read_text())
    titles = [one.title for one in found]
    assert len(titles) == len(set(titles)) >= 12
    assert all(step.command for one in found for step in one.steps)
    assert all(any(step.looks and step.printed for step in one.steps) for one in found), "a session that shows nothing"
