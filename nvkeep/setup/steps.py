"""What setting up does on one host, step by step, and how it is taken back. Each step may be made again."""

from collections.abc import Iterator
from typing import NamedTuple

from nvkeep.errors import CommandError
from nvkeep.host import Host
from nvkeep.keepalived.install import installer
from nvkeep.keepalived.install.candidate import Draft, draft, sweep, written
from nvkeep.keepalived.install.checks import TMPFILES
from nvkeep.keepalived.names import CONF, FIFO, PART, UNIT, every_instance
from nvkeep.keepalived.version import here
from nvkeep.probes import unit
from nvkeep.setup import order as orders
from nvkeep.setup import record
from nvkeep.setup.changes import OURS, RUNS, Switch, Turn, is_enabled, keepalived, turn
from nvkeep.setup.order import TARGET, Order
from nvkeep.setup.record import Record, Text, Unit

FOREIGN = "this host has the record of another setup; if none is under way: nvkeep setup --undo"
START_TIMEOUT_S = 180.0  # the units wait for the network and for the storage client


class Ended(NamedTuple):
    """How a step ended: what was done, or, when it is not well, what is wrong."""

    well: bool
    lines: tuple[str, ...] = ()


def commit(host: Host, order: Order) -> Ended:
    """Put the files in place, keepalived's by the way of `nvkeep keepalived --install`. Raises NvkeepError, OSError."""
    _remember(host, order)
    if not host.exists(FIFO):
        _run(host, *TMPFILES.split())
    if written(host, TARGET) != order.text:
        host.write(TARGET, order.text, durable=True)
    done = installer.install(host, order.cluster, here(host))
    return Ended(not done.code, done.lines)


def start(host: Host, _: Order) -> Ended:
    """Enable and start nvkeep's own units. Raises CommandError, ProbeError."""
    return _turned(host, [turn(host, Switch(name)) for name in OURS])


def lead(host: Host, order: Order) -> Ended:
    """Let keepalived run, and see that it knows every instance: from now on this host may become master."""
    change = turn(host, keepalived(host, order))
    ended = _turned(host, [change])
    if not change.start:
        return ended
    if problem := installer.come(host, every_instance(order.cluster, host.name)):
        return Ended(well=False, lines=(f"{problem}; journalctl -u keepalived",))
    host.remove(installer.PENDING)  # it was just started, and has read what stands there
    return ended


def finish(host: Host, digest: str = "") -> Ended:
    """Forget how this host was before this setup, or before any."""
    if record.foreign(host, digest):
        return Ended(well=True, lines=(FOREIGN,))
    sweep(host, orders.STAGED, orders.DIRECTORY)
    host.remove(record.FILE)
    orders.clear(host, digest)
    return Ended(well=True)


def _remember(host: Host, order: Order) -> None:
    made = draft(host, order.cluster, here(host))
    ours = {TARGET: order.text, CONF: made.new.main, PART: made.new.part}
    ours |= dict(_previous(host, made))
    texts = {path: Text(written(host, path), text) for path, text in ours.items()}
    units = {name: Unit(is_enabled(host, name), unit.read(host, name).active in RUNS) for name in (*OURS, UNIT)}
    record.save(host, record.carried(record.saved(host), Record(texts, units, order.digest)))


def _previous(host: Host, made: Draft) -> Iterator[tuple[str, str | None]]:
    """Give the copies that putting files in place leaves: of what is replaced."""
    for path, old, new in ((CONF, made.old.main, made.new.main), (PART, made.old.part, made.new.part)):
        copy = f"{path}{installer.PREVIOUS}"
        yield copy, written(host, copy) if old in (new, None) else old


def _turned(host: Host, turns: list[Turn]) -> Ended:
    """Enable, disable and start in as few commands as there are verbs: systemd orders them."""
    for verb in ("enable", "disable", "start"):
        if names := [change.name for change in turns if getattr(change, verb)]:
            _run(host, "systemctl", verb, "--", *names)
    return Ended(well=True, lines=tuple(_said(turns)))


def _said(turns: list[Turn]) -> Iterator[str]:
    yield from (f"done: {change}" for change in turns if change)


def _run(host: Host, *argv: str, within: float = START_TIMEOUT_S) -> None:
    done = host.run(argv, within)
    if done.code:
        raise CommandError(argv, done.code, done.err)
