"""What people read: which host lacks what and what fixes it, and what would be changed where. Pure."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from nvkeep.setup.member import Look

HEAD = ("host", "what is missing", "what fixes it, typed there")
WIDTH = 60  # columns of the second column; the third is never broken: it is copied
ASKED = "ssh"  # what is missing between two hosts is fixed from here


class Row(NamedTuple):
    """One line of the table."""

    host: str
    what: str
    fix: str


def lacking(looks: Sequence[Look], here: str) -> str:
    """Draw the table of what is missing; empty when nothing is."""
    rows = [row for look in looks for row in _rows(look, here)]
    return _drawn(rows) if rows else ""


def planned(looks: Sequence[Look]) -> str:
    """Say what would be changed, host by host."""
    return "\n".join(
        f"  {look.name}: {', '.join(look.survey.changes) or 'nothing: it is set up'}" for look in looks if look.survey
    )


def _rows(look: Look, here: str) -> Iterator[Row]:
    for finding in look.unmet:
        host = f"{look.name} (from {here})" if finding.what == ASKED else look.name
        yield Row(host, f"{finding.what}: {finding.why}", finding.fix)
    for finding in (*look.warnings, *(look.survey.warnings if look.survey else ())):
        yield Row(look.name, f"{finding.what} (only a warning): {finding.why}", finding.fix)


def _drawn(rows: Sequence[Row]) -> str:
    lines = [line for row in (Row(*HEAD), *rows) for line in _broken(row)]
    wide = [max(len(line[column]) for line in lines) for column in range(2)]
    return "\n".join(f"  {host:<{wide[0]}}  {what:<{wide[1]}}  {fix}".rstrip() for host, what, fix in lines)


def _broken(row: Row) -> Iterator[Row]:
    """Break the words of a row into lines; host and command stand on the first."""
    first, *rest = wrap(row.what, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    yield Row(row.host, first, row.fix)
    yield from (Row("", line, "") for line in rest)
