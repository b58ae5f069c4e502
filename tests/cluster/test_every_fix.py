"""Each command that nvkeep prints after what is wrong is typed as it stands, and what was wrong is gone. Needs root.

tests/cluster/test_readiness.py does the same for the preconditions, tests/cluster/test_setup.py for those of `nvkeep setup`;
tests/unit/test_fixes.py knows where each of them is typed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lab import protected, remote
from lab.commands import until
from tests.cluster.conftest import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

STATUS, CHECK = ("nvkeep", "status", "--local"), ("nvkeep", "check", "--host")
PART, CONF, FIFO = "/etc/keepalived/nvkeep.conf", "/etc/keepalived/keepalived.conf", "/run/nvkeep/vrrp.fifo"
INSTALL = ("nvkeep", "keepalived", "--install")
DROP_IN = "/usr/lib/systemd/system/keepalived.service.d/nvkeep.conf"
TEMPLATE = "/lib/systemd/system/postgresql@.service"
WANTED = "/usr/lib/systemd/system/multi-user.target.wants"
OTHER = (
    "vrrp_instance other {\\n state BACKUP\\n interface host0\\n virtual_router_id 7\\n priority 9\\n"
    " virtual_ipaddress {\\n 10.77.0.99/24\\n }\\n}\\n"
)  # keepalived with nothing to do may not start at all
AGENT = "systemctl {} nvkeep.service nvkeep-reconcile.timer"


class Case(NamedTuple):
    """How something is broken, which command names it, in which words (a pattern), and what has to be done after the fix."""

    spoil: str
    asked: tuple[str, ...]
    why: str
    after: str = "true"
    end: str = "$"


ON_THE_STANDBY = {
    "no part of ours": Case(f"rm {PART}", CHECK, f"{PART} is missing"),
    "not included": Case(f"sed -i /nvkeep.conf/d {CONF}", CHECK, rf"{CONF}[^;]*"),
    "not as generated": Case(f"sed -i s/nopreempt/preempt/ {PART}", STATUS, r"[^;]*cluster.yaml makes it `nopreempt`"),
    "no FIFO": Case(
        f"{AGENT.format('stop')} && rm {FIFO}",
        CHECK, f"{FIFO} is missing[^;]*", f"systemctl reload keepalived && {AGENT.format('start')}",
    ),
    "a file for a FIFO": Case(
        f"{AGENT.format('stop')} && rm {FIFO} && touch {FIFO}",
        CHECK, f"{FIFO} is a regular empty file[^;]*", AGENT.format("start"),
    ),
    "a FIFO that was removed": Case(f"rm {FIFO}", STATUS, "keepalived writes its events to a FIFO that was removed[^;]*"),
    "keepalived stopped": Case("systemctl stop keepalived", STATUS, "keepalived is stopped here"),
    "answers where others write": Case(
        f"mv {DROP_IN} /root/ && systemctl daemon-reload && systemctl restart keepalived && mv /root/nvkeep.conf {DROP_IN}",
        CHECK, "keepalived writes its answers to [^;]*",
    ),
    "a part that keepalived has not read": Case(
        f"cp {CONF} /root/ && printf '{OTHER}' > {CONF} && systemctl restart keepalived && mv /root/keepalived.conf {CONF}",
        CHECK, "keepalived does not know [^;]*",
    ),
    "a role by hand": Case("nvkeep role pg --set BACKUP", STATUS, r"\(by hand", end=r"\)"),
    "a role that cannot be read": Case("echo nonsense > /run/nvkeep/role/pg", STATUS, "/run/nvkeep/role/pg: [^;]*"),
    "an order that cannot be read": Case(
        "mkdir -p /var/lib/nvkeep/override; echo x > /var/lib/nvkeep/override/stopped.pg",
        STATUS, "/var/lib/nvkeep/override/stopped.pg cannot be read: [^;]*",
    ),
    "a standby that cannot be read": Case(
        "mkdir -p /var/lib/nvkeep/override; echo x > /var/lib/nvkeep/override/standby",
        STATUS, "/var/lib/nvkeep/override/standby cannot be read: [^;]*",
    ),
    "a record that cannot be read": Case(
        "mkdir -p /var/lib/nvkeep/held; echo x > /var/lib/nvkeep/held/pg",
        STATUS, "/var/lib/nvkeep/held/pg cannot be read: [^;]*",
    ),
    "on standby": Case("nvkeep standby --reason x", STATUS, "this host is on standby[^;]*"),
    "stopped here": Case("nvkeep override set stopped pg --reason x", STATUS, "it is stopped[^;]*"),
    "linked by a package": Case(
        f"mkdir -p {WANTED} && ln -s {TEMPLATE} {WANTED}/{protected.UNIT} && systemctl daemon-reload",
        CHECK, f"{protected.UNIT} is [^;]* at boot[^;]*",
    ),
    "a link of somebody else": Case(
        f"mv {PART} /root/part && ln -s /root/part {PART} && sed -i s/nopreempt/preempt/ /root/part",
        INSTALL, f"{PART} is a link to /root/part[^;]*", "nvkeep keepalived --install",
    ),
    "keepalived not enabled": Case(
        f"systemctl disable --now keepalived && sed -i s/nopreempt/preempt/ {PART}",
        INSTALL, "keepalived does not run here", "systemctl is-active keepalived",
    ),
    "in maintenance": Case("nvkeep override set maintenance pg --for 1h --reason x", STATUS, "maintenance: it is watched[^;]*"),
    "maintenance that was over": Case(
        "nvkeep override set maintenance pg --for 1s --reason x && sleep 1.1", STATUS, r"maintenance \(by [^;]*",
    ),
    "no pass yet": Case(
        f"{AGENT.format('stop')}; rm -rf /run/nvkeep/loss /var/lib/nvkeep/loss",
        STATUS, "no pass has run here yet[^;]*", AGENT.format("start"),
    ),
    "a cluster.yaml that others can write": Case(
        "chmod g+w /etc/nvkeep/cluster.yaml", ("nvkeep", "check"), "/etc/nvkeep/cluster.yaml can be written by others[^;]*",
    ),
    "a directory of it that others can write": Case(
        "chmod o+w /etc/nvkeep", ("nvkeep", "check"), "/etc/nvkeep can be written by others[^;]*",
    ),
}  # fmt: skip
ON_THE_HOLDER = {
    "a mount over ours": Case(
        "mount -t tmpfs none /srv", STATUS, "is mounted, but out of reach: [^;]*", end=r"\)",
    ),
    "in maintenance": ON_THE_STANDBY["in maintenance"],
    "a record that cannot be read": ON_THE_STANDBY["a record that cannot be read"],
    "not as generated": ON_THE_STANDBY["not as generated"],
}  # fmt: skip


LOST_ONCE = """\
#!/bin/sh
case "$*" in *"override end"*) mv -f /usr/bin/nvkeep.real /usr/bin/nvkeep; exit 255 ;; esac
exec /usr/bin/nvkeep.real "$@"
"""  # as a host that is lost between two answers


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with remote.lab(protected.PG, protected.PG.hosts, "reconcile: 4") as lab:
        yield Pair(lab)


def sh(server: Server, script: str) -> None:
    server.run(("sh", "-c", script), timeout=60)


def said(server: Server, case: Case) -> str:
    """Give the command that is printed after what is wrong, empty where nothing is."""
    done = server.run(case.asked, check=False, timeout=60)
    match = re.search(rf"{case.why}[;:] (.*?){case.end}", f"{done.stdout}\n{done.stderr}", re.MULTILINE)
    return match[1] if match else ""


def typed(server: Server, case: Case) -> None:
    """Break it, type what is printed, and see that it is not said any more."""
    sh(server, case.spoil)
    try:
        sh(server, printed(server, case))
    finally:
        sh(server, case.after)
    until(lambda: not said(server, case), within=20, what=f"it is still said: {case.why}", every=0.2)


def printed(server: Server, case: Case) -> str:
    """Give the command that is printed first, within a while: to ask again may print something else."""
    commands: list[str] = []

    def asked() -> bool:
        commands.append(said(server, case))
        return bool(commands[-1])

    until(asked, within=20, what=f"nobody says {case.why}", every=0.2)
    return commands[-1]


@pytest.mark.parametrize("name", ON_THE_STANDBY)
def test_what_a_standby_prints_helps(pair: Pair, name: str) -> None:
    typed(pair.other, ON_THE_STANDBY[name])
    pair.wait_ready(pair.other)


@pytest.mark.parametrize("name", ON_THE_HOLDER)
def test_what_a_holder_prints_helps(pair: Pair, name: str) -> None:
    typed(pair.active, ON_THE_HOLDER[name])
    until(lambda: protected.well(pair.active), within=40, what=f"{pair.active.name} is not well again")
    pair.more_rows()


def test_an_order_that_may_still_hold_elsewhere_is_ended_there(pair: Pair) -> None:
    here, there = pair.active, pair.other
    there.run(("mv", "/usr/bin/nvkeep", "/usr/bin/nvkeep.real"))
    there.write("/usr/bin/nvkeep", LOST_ONCE, 0o755)
    sh(here, "mkdir -p /var/lib/nvkeep/override && mount -t tmpfs -o ro none /var/lib/nvkeep/override")
    order = ("nvkeep", "maintenance", "pg", "--for", "1h", "--reason", "x")
    done = here.run(order, check=False, timeout=60)
    here.run(("umount", "/var/lib/nvkeep/override"))
    assert done.returncode != 0
    assert "maintenance" in there.run(("nvkeep", "override")).stdout
    sh(here, done.stderr.strip().partition(f"but maybe on {there.name}: ")[2])
    assert there.run(("nvkeep", "override")).stdout == ""
    pair.wait_ready(there)
