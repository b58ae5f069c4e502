"""What setting up would change on this host, a sentence each; none: it is set up. Changes nothing."""

from collections.abc import Iterator

from nvkeep.host import Host
from nvkeep.keepalived.install.candidate import Draft, draft, written
from nvkeep.keepalived.install.installer import PENDING, come
from nvkeep.keepalived.names import CONF, FIFO, PART, UNIT, every_instance
from nvkeep.keepalived.version import here
from nvkeep.model.frozen import frozen
from nvkeep.probes import unit
from nvkeep.setup import record
from nvkeep.setup.order import TARGET, Order
from nvkeep.state.files import RUN
from nvkeep.state.service import Store

OURS = ("nvkeep.service", "nvkeep-reconcile.timer", "nvkeep-shutdown.service")
RUNS = ("active", "activating", "reloading")


@frozen
class Switch:
    """A unit as it should be. `boot`: enabled or disabled; None: as it is. `start`: it should run."""

    name: str
    boot: bool | None = True
    start: bool = True


@frozen
class Turn:
    """What has to be done about a unit."""

    name: str
    enable: bool = False
    disable: bool = False
    start: bool = False

    def __str__(self) -> str:
        does = [word for word, due in (("enable", self.enable), ("disable", self.disable), ("start", self.start)) if due]
        return f"{' and '.join(does)} {self.name}"

    def __bool__(self) -> bool:
        return self.enable or self.disable or self.start


def held(host: Host) -> tuple[str, ...]:
    """Name the services that this host holds, whatever cluster.yaml says by now. Raises OSError."""
    names = (name for name in host.names(f"{RUN}/claim") if not name.startswith("."))  # else one that was never put in place
    return tuple(name for name in names if Store(host, name).claimed())


def changes(host: Host, order: Order) -> tuple[str, ...]:
    """Say what setting up would change here. Raises Unsuited, NotHere, ProbeError, OSError."""
    made = draft(host, order.cluster, here(host))
    turns = [turn(host, change) for change in (*(Switch(name) for name in OURS), keepalived(host, order))]
    return (
        *_killed(host),
        *_files(host, order, made),
        *_reload(host, order, made),
        *(str(change) for change in turns if change),
    )


def keepalived(host: Host, order: Order) -> Switch:
    """Say how keepalived should be: where everything was set up before, whoever stopped or disabled it meant it."""
    begun = record.saved(host)  # then our part may be there because this setup has just put it there
    new = begun.texts[PART].before is None if begun else not host.exists(PART)
    return Switch(UNIT, order.at_boot if order.at_boot is not None or not new else True, new)


def turn(host: Host, wanted: Switch) -> Turn:
    """Compare a unit with how it should be. Raises ProbeError."""
    there = is_enabled(host, wanted.name)
    runs = unit.read(host, wanted.name).active in RUNS
    return Turn(
        wanted.name,
        enable=wanted.boot is True and not there,
        disable=wanted.boot is False and there,
        start=wanted.start and not runs,
    )


def is_enabled(host: Host, name: str) -> bool:
    """Return whether a unit is enabled at boot. Raises ProbeError."""
    return unit.enabled(host, name)


def _killed(host: Host) -> Iterator[str]:
    """Tell of a record that waits: this host has to go on together with the others, or to be taken back with them."""
    if record.saved(host) is not None:
        yield "end a setup that was killed"


def _files(host: Host, order: Order, made: Draft) -> Iterator[str]:
    if written(host, TARGET) != order.text:
        yield f"write {TARGET}"
    if made.old.part != made.new.part:
        yield f"write {PART}"
    if made.old.main != made.new.main:
        yield f"{'write' if made.old.main is None else 'include the part of nvkeep in'} {CONF}"
    if not host.exists(FIFO):
        yield f"make {FIFO}"


def _reload(host: Host, order: Order, made: Draft) -> Iterator[str]:
    """Return whether a keepalived that runs has to read its files again."""
    if unit.read(host, UNIT).active in RUNS:
        unknown = host.exists(PENDING) or come(host, every_instance(order.cluster, host.name), 0.0)
        if not made.same or unknown:
            yield f"reload {UNIT}"
