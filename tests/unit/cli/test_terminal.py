"""What a terminal gets: 80 columns are enough, words that matter have a colour, and a pipe gets neither."""

import re

import pytest

from nvkeep.cli import terminal
from nvkeep.cli.terminal import fit, paint
from nvkeep.model.summary import Summary

LONG = (
    "    ! cannot reach srv-b over ssh: ssh: connect to host srv-b port 22: No route to host; "
    "passwordless login must work: ssh srv-b true"
)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_long_line_is_cut_at_blanks_and_what_follows_stands_further_in(width: int) -> None:
    lines = fit(LONG, width)
    assert all(len(line) <= width for line in lines)
    assert " ".join(line.strip() for line in lines) == LONG.strip()
    assert all(line.startswith("        ") for line in lines[1:])


@pytest.mark.parametrize(("line", "width"), [("short", 80), (LONG, 10), ("x" * 200, 80)])
def test_what_cannot_be_cut_is_left(line: str, width: int) -> None:
    assert fit(line, width) == [line]


@pytest.mark.parametrize("word", Summary)
def test_every_word_has_a_colour_where_it_is_the_word(word: Summary) -> None:
    assert re.match(r"\x1b\[3[123]m", paint(f"{word}: pg: why"))
    assert "\x1b" in paint(f"pg: {word}: why")
    assert "\x1b" not in paint(f"he said {word} again")


def test_marks_have_a_colour() -> None:
    assert [bool(re.search(r"\x1b\[(\d+)m", paint(line))) for line in ("  [OK] x", "  [NOT OK] x", "  ! x", "  . x")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_a_pipe_gets_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(f"ok: fine\n{LONG}")
    assert capsys.readouterr().out == f"ok: fine\n{LONG}\n"


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    terminal.show("ok: fine")
    assert "\x1b" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.show("ok: fine")
    assert capsys.readouterr().out == "ok: fine\n"
