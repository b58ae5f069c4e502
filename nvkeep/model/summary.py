"""One word for how a service stands on a host, from a closed list, and the exit code that follows it. Pure."""

from collections.abc import Sequence
from enum import StrEnum

from nvkeep.model.decision import Action, Holder, Obstacle, Verdict
from nvkeep.model.report import Outcome, Word


class Summary(StrEnum):
    """The closed list; a release may add words, none changes its meaning."""

    OK = "ok"
    CONVERGING = "converging"
    DEGRADED = "degraded"
    FAILED = "failed"
    LOST = "lost"
    SPLIT = "split"
    CUT_OFF = "cut-off"
    STUCK = "stuck"
    HELD = "held"
    STANDBY = "standby"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"


HOLDERS = {
    Holder.ME: "this host",
    Holder.ANOTHER: "another host",
    Holder.NOBODY: "nobody",
    Holder.UNTOLD: "not this host (this storage does not name the holder)",
    Holder.UNKNOWN: "unknown",
}  # for people, and for a host that asks another

EXIT = {
    Summary.OK: 0,
    Summary.CONVERGING: 1,
    Summary.DEGRADED: 1,
    Summary.FAILED: 2,
    Summary.LOST: 2,
    Summary.SPLIT: 2,
    Summary.CUT_OFF: 2,
    Summary.STUCK: 2,
    Summary.HELD: 2,
    Summary.UNKNOWN: 3,
    Summary.STANDBY: 4,
    Summary.MAINTENANCE: 4,
}


def summarize(
    verdict: Verdict,
    outcomes: Sequence[Outcome],
    *,
    yielding: bool,
    held: bool,
    fenced: bool,
    ordered: bool,
    well: bool,
) -> Summary:
    """Sum up. `outcomes` tell how the resources stand now; `fenced`: a volume was taken from here, and that is not over.

    `ordered`: by hand; `well`: it may have the role and no warnings.
    """
    words = {outcome.word for outcome in outcomes}
    first = {
        Summary.MAINTENANCE: Obstacle.MAINTENANCE in verdict.obstacles,
        Summary.LOST: verdict.action is Action.ISOLATE or fenced,
        Summary.STUCK: Word.STUCK in words,
        Summary.HELD: held,
        Summary.UNKNOWN: Obstacle.UNKNOWN in verdict.obstacles or Word.UNKNOWN in words,
        Summary.CUT_OFF: Obstacle.CUT_OFF in verdict.obstacles,
        Summary.SPLIT: yielding or verdict.action in (Action.YIELD, Action.GUARD),
        Summary.FAILED: Word.FAILED in words,
        Summary.CONVERGING: bool(words & {Word.DRIFTED, Word.CONVERGING}) or verdict.action in (Action.ACQUIRE, Action.SEIZE),
        Summary.STANDBY: ordered,
        Summary.DEGRADED: not well,
    }
    return next((word for word, fits in first.items() if fits), Summary.OK)
