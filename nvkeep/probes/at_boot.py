"""Whether something else than nvkeep starts a unit: boot, through targets, other units, or links that generators make.

What counts is whether something that is started at boot itself pulls it in, not what its file says: Debian's generator
links every cluster of PostgreSQL into postgresql.service at each boot and reload, and `systemctl disable` changes nothing.
"""

import os
import re
from collections.abc import Sequence

from nvkeep.host import Host
from nvkeep.model.finding import Lack
from nvkeep.probes.unit import BOOT, Install, installed

GENERATED = "/run/systemd/generator"
DIRECTORIES = (
    "/etc/systemd/system", "/run/systemd/system", GENERATED, f"{GENERATED}.early", f"{GENERATED}.late",
    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
)  # fmt: skip
PULLS = ("wants", "requires", "upholds")
DEBIANS = r"postgresql@([0-9.]+)-(.+)\.service"  # of postgresql-common, whose generator reads start.conf
TRIGGERS = (".socket", ".path", ".timer")  # which start the unit whenever they like while they are active
VENDORS = ("/usr/lib/systemd/", "/usr/local/lib/systemd/")


def look(host: Host, names: Sequence[str]) -> dict[str, Lack | str]:
    """Say of each unit what is wrong with how it is installed, or that nothing is. Raises ProbeError, OSError."""
    known = links(host)
    units = _installed(host, names, known)
    pulling = {other for unit in units.values() if not unit.at_boot for other in unit.pulled - BOOT - {*names}}
    others = _installed(host, sorted(pulling), known)
    outcomes = {}
    for name, unit in units.items():
        by = next((other for other in sorted(unit.pulled) if other in others and others[other].at_boot), "")
        chain = (*sorted(unit.pulled & BOOT), by)
        link = next((known[name][other] for other in chain if known.get(name, {}).get(other)), "")
        outcomes[name] = _judged(name, unit, by, link)
    return outcomes


def links(host: Host) -> dict[str, dict[str, str]]:
    """Find by which units each unit is pulled in, by links that generators and administrators made: {unit: {by: link}}.

    Where a link to /dev/null in an earlier directory takes another one back, there is no link: it is empty. systemd
    only tells of those units that it has loaded. Raises OSError.
    """
    pulled: dict[str, dict[str, str]] = {}
    for top in DIRECTORIES:
        for name in host.names(top):
            by, dot, pulls = name.rpartition(".")
            for unit in host.names(f"{top}/{name}") if dot and pulls in PULLS else ():
                link = f"{top}/{name}/{unit}"
                pulled.setdefault(unit, {}).setdefault(by, "" if host.link_target(link) == os.devnull else link)
    return pulled


def _installed(host: Host, names: Sequence[str], links: dict[str, dict[str, str]]) -> dict[str, Install]:
    """Ask about units, and add who pulls them in by links that systemd has not followed yet."""
    seen = installed(host, names) if names else {}
    return {name: _linked(unit, links.get(name, {})) for name, unit in seen.items()}


def _linked(unit: Install, links: dict[str, str]) -> Install:
    """Add to what systemd says what the links say: it calls a unit enabled also for a link to /dev/null."""
    by = {other for other, link in links.items() if link}
    taken_back = bool(links) and not by and unit.file == "enabled"
    return unit._replace(pulled=unit.pulled | by, file="disabled" if taken_back else unit.file)


def _not_at_boot(name: str, by: str, link: str) -> str:
    """Give what keeps boot from starting it: what a generator or a package has linked, nobody can disable."""
    cluster = re.fullmatch(DEBIANS, name)
    if cluster and link.startswith(GENERATED):
        return f"echo manual > /etc/postgresql/{cluster[1]}/{cluster[2]}/start.conf && systemctl daemon-reload"
    if link.startswith(VENDORS):
        over = f"/etc{link[link.index('/systemd/system/') :]}"
        return f"mkdir -p {over.rpartition('/')[0]} && ln -s /dev/null {over} && systemctl daemon-reload"
    return f"systemctl disable --now {by}" if by.endswith(TRIGGERS) else f"systemctl disable {by or name}"


def _judged(name: str, unit: Install, by: str, link: str) -> Lack | str:
    if unit.load == "not-found":
        return Lack(f"systemd knows no unit {name}", f"install it on this host; systemctl status {name}")
    if unit.load == "masked":
        return Lack(f"{name} is masked", f"systemctl unmask {name}")
    if unit.load != "loaded":
        return Lack(f"systemd cannot load {name} ({unit.load})", f"systemd-analyze verify {name}")
    if unit.at_boot:
        return Lack(f"{name} is enabled at boot, and nvkeep starts it", _not_at_boot(name, "", link))
    if by:
        return Lack(f"{name} is started at boot by {by}, and nvkeep starts it", _not_at_boot(name, by, link))
    return "there, and not started at boot"
