"""How the sessions of docs/operations.md and of the guides are read and compared: a document that lies must not pass."""

import re
from pathlib import Path

import pytest

from tests.cluster import sessions, test_guides

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


FILES = """\
## Files

```yaml
# /etc/a.yaml on srv-a and srv-b
a: 1

b: 2
```

```python
#!/usr/bin/python3
# /usr/local/bin/a on srv-b
```

```yaml
no: file
```

<!-- ends on srv-b and srv-a -->
```console
srv-a# echo b > /proc/sysrq-trigger
```
"""


def test_a_file_is_written_on_every_server_that_it_names() -> None:
    (only,) = sessions.read(FILES, "files.md")
    assert [(one.server, one.command, one.place) for one in only.steps] == [
        ("srv-a", "install -D -m 644 /dev/stdin /etc/a.yaml", "files.md:4"),
        ("srv-b", "install -D -m 644 /dev/stdin /etc/a.yaml", "files.md:4"),
        ("srv-b", "install -D -m 755 /dev/stdin /usr/local/bin/a", "files.md:12"),
        ("srv-a", "echo b > /proc/sysrq-trigger", "files.md:21"),
    ]
    assert only.steps[0].feed == "# /etc/a.yaml on srv-a and srv-b\na: 1\n\nb: 2\n"
    assert (only.ends, only.said) == ("srv-b and srv-a", True)


GUIDES = sorted(sessions.GUIDES.glob("*.md"))
ON_MACHINES = {"nfs"}  # typed on the emulated machines: tests/machines/test_guide_nfs.py


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_guide_is_found(page: Path) -> None:
    assert f"guides/{page.name}" in (sessions.DOCUMENT.parent.parent / "README.md").read_text()
    assert f"guides/{page.name}" in sessions.DOCUMENT.with_name("setup.md").read_text()


@pytest.mark.parametrize("page", [page for page in GUIDES if page.stem not in ON_MACHINES], ids=lambda page: page.stem)
def test_every_guide_is_typed(page: Path) -> None:
    text = page.read_text()
    assert page.stem in {guide.name for guide in test_guides.GUIDES}
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [kind for kind, block in blocks if kind != "console" and not sessions.FILE.search(block)] == []
    typed = [step.command for session in sessions.read(text) for step in session.steps]
    assert sessions.POWER_CUT in typed
    assert any(command.startswith("nvkeep move ") for command in typed)


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
