"""Does what stands in /etc/keepalived say what cluster.yaml says? Only files are read: every pass asks."""

import re
from functools import lru_cache

from nvkeep.errors import NotHere, Unsuited
from nvkeep.host import Host, lines
from nvkeep.keepalived.conf import MARK, Build, configuration
from nvkeep.keepalived.names import CONF, FIX, INCLUDE, PART, finding
from nvkeep.keepalived.parser import included, statements
from nvkeep.keepalived.version import Version
from nvkeep.model.finding import Finding, FindingCode
from nvkeep.model.spec import Cluster

MADE = rf"^# \S+{re.escape(MARK)}(\S+?)(?: and keepalived ([0-9.]+))?; do not edit"
GREPS = ("/usr/bin/grep", "/bin/grep")

made: dict[str, tuple[Cluster, Build, str]] = {}  # by host: what was generated last, and of what; every pass compares with it


def build_of(host: Host, version: Version) -> Build:
    """Learn where grep really is: keepalived 1.3.6 runs without a script that it reaches through a link."""
    real = next((path for path in GREPS if host.exists(path) and not _through_link(host, path)), GREPS[0])
    return Build(version, real)


def _through_link(host: Host, path: str) -> bool:
    return host.link_target(path) is not None or host.link_target(path.rpartition("/")[0]) is not None


def drifted(host: Host, cluster: Cluster) -> Finding | None:
    """Name what in keepalived's files is not as generated; None when all is. Runs nothing."""
    try:
        file, text = installed(host)
        header = re.match(MADE, text)
        if not header or not header[2]:
            return _drift(f"{file} was not made by this nvkeep")
        wanted = _generated(cluster, host.name, build_of(host, Version.parse(header[2])))
    except FileNotFoundError as error:
        return _drift(f"{error.filename or PART} is missing")
    except OSError as error:
        why = f"{error.filename}: {error.strerror}; nvkeep cannot compare it with cluster.yaml"
        return finding(why, f"ls -l {error.filename}")
    except (LookupError, Unsuited, NotHere) as error:
        return _drift(str(error))
    return difference(file, text, wanted)


def _generated(cluster: Cluster, name: str, build: Build) -> str:
    known = made.get(name)
    if not known or known[0] is not cluster or known[1] != build:
        known = made[name] = (cluster, build, configuration(cluster, name, build))
    return known[2]


def installed(host: Host) -> tuple[str, str]:
    """Give the file that holds our part, and its text. Raises OSError, LookupError when keepalived does not read it."""
    main = host.read(CONF)
    if re.match(MADE, main):
        return CONF, main
    if not includes(main):
        raise LookupError(f"{CONF} does not say `{INCLUDE}`")
    return PART, host.read(PART)


@lru_cache(maxsize=8)
def includes(main: str) -> bool:
    """Return whether a keepalived.conf includes our part."""
    return any(
        included(statement) == PART and not statement.blocks
        for statement in statements(main)
        if statement.words[0].startswith("include")
    )


def difference(file: str, text: str, wanted: str) -> Finding | None:
    """Name the first line that is not as generated; None when there is none."""
    if text == wanted:
        return None
    have, want = lines(text), lines(wanted)
    number = next((n for n, (a, b) in enumerate(zip(have, want, strict=False)) if a != b), min(len(have), len(want)))
    what = f"says `{have[number].strip()}`" if number < len(have) else "ends too early"
    would = f"`{want[number].strip()}`" if number < len(want) else "nothing more"
    return _drift(f"{file}:{number + 1} {what}, cluster.yaml makes it {would}")


def _drift(why: str) -> Finding:
    return finding(why, FIX, FindingCode.NOT_GENERATED)
