"""What was, of a service that is here: since when it is, and how its last takeover went."""

from collections.abc import Iterator

from nvkeep.core.scope import Scope
from nvkeep.model import metrics
from nvkeep.model.override import moment
from nvkeep.state import rehearsals
from nvkeep.state.history import measured

SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def sentences(scope: Scope, *, here: bool) -> Iterator[str]:
    """Say it in lines; nothing where this host has not recorded it. `here`: this host has the service."""
    took = metrics.counted(measured(scope.host, scope.service))
    if took.number and here:
        away = f"; it was away for {took.outage:.2f} s" if took.outage else ""
        since, ago = moment(took.at, exact=True), lasting(scope.host.wall() - took.at)
        yield f"here since {since} ({ago}){away}; nvkeep history {scope.service}"
    if kept := rehearsals.read(scope.host, scope.service):
        same = kept.configuration == rehearsals.configured(scope.cluster, scope.service)
        ago = lasting(scope.host.wall() - kept.at)
        yield f"rehearsed {ago} ago: {kept.longest:.2f} s, {'same' if same else 'another'} configuration"


def lasting(seconds: float) -> str:
    """Write a length of time in its largest unit."""
    size, unit = next(((size, unit) for size, unit in SPANS if seconds >= size), SPANS[-1])
    return f"{max(0.0, seconds) / size:.0f} {unit}"
