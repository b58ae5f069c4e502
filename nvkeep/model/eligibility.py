"""Whether this host may have the role: the flag that keepalived tracks. Pure."""

from typing import NamedTuple

from nvkeep.model.decision import Facts, Holder


class Reasons(NamedTuple):
    """What, beside the facts, keeps a host from having the role: each names the reason, empty when it does not."""

    outdated: str = ""
    unready: str = ""
    yielding: str = ""
    tie_break: str = ""
    deaf: str = ""
    unseen: str = ""


def eligible(facts: Facts, beside: Reasons) -> tuple[bool, str]:
    """Return whether this host may have the role (the flag keepalived tracks), and if not, why not.

    In maintenance the roles stay where they are: the holder keeps its own, and nobody else gets it.
    """
    if facts.maintenance:
        return facts.ours, "" if facts.ours else facts.maintenance
    reasons = (
        facts.release_why,
        "" if facts.carrier else "the service network has no carrier",
        "" if facts.io else "the volume does no I/O",
        "" if facts.holder is not Holder.UNKNOWN or facts.ours else "this host cannot determine who holds the volume",
        beside.outdated,
        beside.unready,
        "" if facts.witness else "no witness answers: this host is cut off",
        facts.cooling,
        beside.yielding,
        beside.tie_break,
        beside.deaf,
        beside.unseen,
    )
    why = next(filter(None, reasons), "")
    return not why, why
