"""One pass drawn: when each step began and how long it took, as bars for a terminal and as a picture. Pure."""

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from nvkeep.model.history import Entry
from nvkeep.model.override import moment
from nvkeep.model.report import SETTLED

BAR = 28  # characters, so that a line has at most 80
LABEL = 32
ROW, LEFT, WIDTH, RIGHT = 22, 250, 480, 70  # of the picture, in its units
FILLS = {True: "#3a7d44", False: "#b3261e"}


class Bar(NamedTuple):
    """One step: what, from when and how long in seconds since the pass began, and whether it ended well."""

    label: str
    begun: float
    seconds: float
    well: bool


def bars(entry: Entry) -> list[Bar]:
    """Give the steps that ran something, in the order in which they began; what came before the first is the decision."""
    made = sorted((step for step in entry["steps"] if step["ran"]), key=lambda step: float(step["begun"]))
    steps = [
        Bar(f"{step['verb']} {step['key']}", float(step["begun"]), float(step["seconds"]), step["word"] in SETTLED)
        for step in made
    ]
    first = min((bar.begun for bar in steps), default=float(entry["seconds"]))
    answers = [Bar("the service answers", float(entry["answered"]), 0.0, well=True)] if entry["answered"] is not None else []
    return [Bar("look and decide", 0.0, first, well=True), *sorted((*steps, *answers), key=lambda bar: bar.begun)]


def when(entry: Entry) -> str:
    """Give the local time of an entry."""
    return moment(float(entry["wall"]), exact=True)


def text(entry: Entry) -> Iterator[str]:
    """Draw for a terminal."""
    yield f"{entry['service']}: {entry['did']}, {when(entry)}, by `{entry['by']}`"
    yield f"  line {entry['line']}: {entry['why']}"
    if entry["outage"] is not None:
        known = entry["answered"] is not None
        end = "until it answered here" if known else "until all of it stood here"
        yield f"  away for {entry['outage']:.2f} s{'' if known else ' at most'}: from the last answer elsewhere {end}"
    yield f"  {'':<{LABEL}} {'from':>7} {'took':>7}"
    whole = max(float(entry["seconds"]), 0.001)
    for bar in bars(entry):
        offset = min(BAR - 1, int(bar.begun / whole * BAR))
        length = max(1, min(BAR - offset, round(bar.seconds / whole * BAR)))
        yield f"  {_cut(bar.label, LABEL):<{LABEL}} {bar.begun:7.3f} {bar.seconds:7.3f} {' ' * offset}{'#' * length}"
    yield from _ends(entry)


def _ends(entry: Entry) -> Iterator[str]:
    """List what did not end well, and every command."""
    for step in entry["steps"]:
        if step["word"] not in SETTLED:
            yield f"  ! {step['key']}: {step['word']}: {step['reason']}"
    for step in entry["steps"]:
        yield from (f"  {command}" for command in step["ran"])
    yield f"  the pass took {entry['seconds']:.3f} s: {'settled' if entry['settled'] else 'not settled'}"


def _took(bar: Bar) -> str:
    """Write how long a step took; when, where it is a moment."""
    return f"{bar.seconds:.3f} s" if bar.seconds else f"after {bar.begun:.3f} s"


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else f"{words[: width - 2]}.."


def svg(entry: Entry) -> str:
    """Draw as a picture that stands alone."""
    rows, whole = bars(entry), max(float(entry["seconds"]), 0.001)
    height = ROW * (len(rows) + 2)
    head = f"{entry['service']}: {entry['did']}, {when(entry)}"
    box = f'viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}><title>{escape(head)}</title>',
        f'<text x="4" y="15" font-weight="bold">{escape(head)}</text>',
    ]
    for number, bar in enumerate(rows, 1):
        y, x, length = ROW * number, LEFT + WIDTH * bar.begun / whole, max(2.0, WIDTH * bar.seconds / whole)
        parts.append(
            f'<text x="4" y="{y + 15}">{escape(_cut(bar.label, LABEL))}</text>'
            f'<rect x="{x:.1f}" y="{y + 4}" width="{length:.1f}" height="{ROW - 8}" fill="{FILLS[bar.well]}"/>'
            f'<text x="{min(x + length + 4, LEFT + WIDTH + 4):.1f}" y="{y + 15}">{_took(bar)}</text>'
        )
    return "".join([*parts, f'<text x="4" y="{height - 7}">{escape(_cut(str(entry["why"]), 110))}</text></svg>'])
