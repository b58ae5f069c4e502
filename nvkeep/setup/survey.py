"""What one host lacks before it can be set up, and what setting up would change on it. Changes nothing that stays."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self

from nvkeep import __version__
from nvkeep.checks import readiness
from nvkeep.errors import NvkeepError, ProbeError, Unsuited
from nvkeep.host import Host
from nvkeep.host.files import others_can_write
from nvkeep.keepalived.install.candidate import refused, written
from nvkeep.model.finding import Finding, FindingCode
from nvkeep.probes import unit
from nvkeep.setup import by_pip
from nvkeep.setup.changes import OURS, changes, held
from nvkeep.setup.order import DIRECTORY, TARGET, Order
from nvkeep.state.service import Store

INSTALL = "make install"
SETUP = "nvkeep setup"
# What readiness may miss, and setup itself brings: files, the FIFO, a keepalived that has read them.
BROUGHT = (FindingCode.NOT_GENERATED, FindingCode.NO_FIFO, FindingCode.NOT_LOADED)


class Survey(NamedTuple):
    """How one host stands: `clock` in seconds since 1970, `serves` what it holds now, `warnings` what may be fixed later."""

    name: str
    version: str
    clock: float
    serves: tuple[str, ...] = ()
    unmet: tuple[Finding, ...] = ()
    changes: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()

    def dump(self) -> str:
        """Write it for the host that asked."""
        rows = {"unmet": self.unmet, "warnings": self.warnings}
        return json.dumps(self._asdict() | {key: [row._asdict() for row in its] for key, its in rows.items()}, indent=2)

    @classmethod
    def parse(cls, answer: dict[str, Any]) -> Self:
        """Read what another host wrote. Raises TypeError, KeyError."""
        lists = {key: tuple(answer[key]) for key in ("serves", "changes")}
        rows = {key: tuple(_parsed(row) for row in answer[key]) for key in ("unmet", "warnings")}
        return cls(**answer | lists | rows)


def _parsed(row: dict[str, str]) -> Finding:
    return Finding(row["what"], row["why"], row["fix"], FindingCode(row["code"]))


def survey(host: Host, order: Order, name: str) -> Survey:
    """Look at this host, which cluster.yaml calls `name`. Raises ProbeError when it has no clock."""
    findings = tuple(dict.fromkeys(_missing(host, order, name)))
    missing = tuple(finding for finding in findings if not left(finding))
    return Survey(
        host.name,
        __version__,
        clock(host),
        tuple(service for service in order.cluster.services_of(host.name) if Store(host, service).claimed()),
        missing,
        () if missing else changes(host, order),
        tuple(finding for finding in findings if left(finding)),
    )


def clock(host: Host) -> float:
    """Read the wall clock. Raises ProbeError."""
    done = host.run(("date", "+%s.%N"), 5.0)
    try:
        return float(done.out)
    except ValueError as error:
        raise ProbeError(f"`date +%s.%N` printed {done.out!r}: {done.err.strip()}") from error


def _missing(host: Host, order: Order, name: str) -> Iterator[Finding]:
    if host.name != name:
        why = f"`hostname -s` says {host.name} there, and cluster.yaml calls it {name}"
        yield Finding("host name", why, f"hostnamectl set-hostname {name}")
        return
    looks = (_installed, _writable, _target, _orphans, _keepalived)
    findings = [finding for look in looks for finding in _told(look, host, order)]
    yield from findings
    yield from (finding for finding in _told(_unready, host, order) if not repeats(finding, findings))


def _told(look: Callable[[Host, Order], Iterator[Finding]], host: Host, order: Order) -> Iterator[Finding]:
    """Look, and tell what is unknown: that is as bad as what is missing."""
    try:
        yield from look(host, order)
    except Unsuited as error:
        tool = "apt-get" if host.exists("/usr/bin/apt-get") else "dnf"
        yield Finding("keepalived", str(error).partition(";")[0], f"{tool} install keepalived")
    except (NvkeepError, OSError) as error:
        yield Finding("unknown", " ".join(str(error).split()), SETUP)


def _installed(host: Host, _: Order) -> Iterator[Finding]:
    for name in OURS:
        if unit.read(host, name).load != "loaded":
            fix = by_pip.FILES if by_pip.is_it() else INSTALL
            yield Finding(f"unit {name}", "systemd does not know it; nvkeep is only partly installed", fix)


def _writable(host: Host, _: Order) -> Iterator[Finding]:
    for directory in (DIRECTORY, "/etc/keepalived"):
        if why := host.unwritable(directory):
            yield Finding(directory, f"cannot write a file there: {why}", f"df {directory}; findmnt -T {directory}")


def _target(host: Host, order: Order) -> Iterator[Finding]:
    """Name what a cluster.yaml that is here keeps when it is written again, or would lose."""
    if others_can_write(TARGET):
        why = "it can be written by others, and nvkeep acts on it as root"
        yield Finding(TARGET, why, f"chown root {TARGET} && chmod go-w {TARGET}")
    link = host.link_target(TARGET)
    if link is not None and written(host, TARGET) != order.text:
        why = f"it is a link to {link}, which something else manages and which differs; put this cluster.yaml there instead"
        yield Finding(TARGET, f"{why}, or remove the link", f"rm {TARGET}")


def _orphans(host: Host, order: Order) -> Iterator[Finding]:
    """Name what this host serves and would not know any more: it would run on, and nobody would look after it."""
    for service in held(host):
        if service not in order.cluster.services_of(host.name):
            why = "this host serves it, and this cluster.yaml does not list it here; keep it in the file until it is released"
            yield Finding(f"service {service}", why, f"nvkeep move {service}")


def _keepalived(host: Host, order: Order) -> Iterator[Finding]:
    """Show keepalived its files under other names; what is missing of the heartbeats has rows of its own."""
    for finding in refused(host, order.cluster):
        yield as_row("heartbeat" if finding.code is FindingCode.HEARTBEAT else "keepalived", finding)


def _unready(host: Host, order: Order) -> Iterator[Finding]:
    """Name what the readiness of this host lacks, without what setting up brings."""
    for service in order.cluster.services_of(host.name):
        yield from (finding for finding in readiness.unmet(host, order.cluster, service) if not brought(finding))


def as_row(what: str, finding: Finding) -> Finding:
    """Name a finding for the table of setup, on one line, with something to type."""
    return finding._replace(what=what, why=" ".join(finding.why.split()), fix=finding.fix or SETUP)


def brought(finding: Finding) -> bool:
    """Return whether setting up brings what is missing."""
    return finding.code in BROUGHT


def left(finding: Finding) -> bool:
    """Return whether setting up neither needs it nor brings it: a keepalived that runs is not restarted, only reloaded."""
    return finding.code is FindingCode.NOT_RESTARTED


def repeats(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Return whether readiness only says again, in the same words, what was found here."""
    return any(other.why == finding.why for other in findings)
