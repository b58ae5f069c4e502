"""What can be seen on a host that would make keepalived do other than it should."""

from collections.abc import Iterator

from nvkeep.errors import NvkeepError, ProbeError, Unsuited
from nvkeep.host import Host
from nvkeep.keepalived.binding import deaf
from nvkeep.keepalived.conf import FLAGS, REVERSE, Build, configuration
from nvkeep.keepalived.drift import build_of, difference, installed
from nvkeep.keepalived.install.conflicts import clashes_of
from nvkeep.keepalived.names import CONF, FIFO, FIX, PRIVATE, every_instance, finding
from nvkeep.keepalived.roles import ask_now, directory_of, running
from nvkeep.keepalived.version import TESTABLE, Version, here
from nvkeep.model.finding import Finding, FindingCode
from nvkeep.model.spec import Cluster
from nvkeep.probes import address

TMPFILES = "systemd-tmpfiles --create nvkeep.conf"
RESTART = "systemctl daemon-reload && systemctl restart keepalived"
CONFINED, ALLOWED = "keepalived_t", "keepalived_var_run_t"  # of the policies of Fedora and RHEL
LABEL = "semodule -i /usr/share/nvkeep/nvkeep.cil && restorecon -R /run/nvkeep && systemctl reload keepalived"
TMPDIR_KNOWN = Version(2, 2, 0)


def seen(host: Host, cluster: Cluster) -> tuple[Finding, ...]:
    """Name everything that is wrong with keepalived's configuration on this host, and with the keepalived that runs."""
    try:
        build = build_of(host, here(host))
        wanted = configuration(cluster, host.name, build)
    except Unsuited as error:
        return (finding(str(error)),)
    return (
        *_installed(host, cluster, build.version, wanted),
        *before(host, cluster, build),
        *_running(host, cluster, build.version),
    )


def before(host: Host, cluster: Cluster, build: Build, *, fifo: bool = True) -> Iterator[Finding]:
    """Name what must be fixed before our part may be in place, whatever stands there now. `fifo`: ours has to be there."""
    if fifo or host.exists(FIFO):
        yield from _fifo(host)
    yield from interfaces(host, cluster)
    if build.version < REVERSE and not host.exists(build.grep):
        why = f"{build.grep} is missing: keepalived {build.version} would run without looking at the flag"
        yield finding(why, "install grep")


def _installed(host: Host, cluster: Cluster, version: Version, wanted: str) -> Iterator[Finding]:
    try:
        file, text = installed(host)
        main = host.read(CONF)
    except FileNotFoundError as error:
        yield finding(f"{error.filename} is missing", FIX, FindingCode.NOT_GENERATED)
        return
    except OSError as error:
        yield finding(f"{error.filename}: {error.strerror}")
        return
    except LookupError as error:
        yield finding(str(error), FIX, FindingCode.NOT_GENERATED)
        return
    if drift := difference(file, text, wanted):
        yield drift
    if file != CONF:
        yield from clashes_of(host, main, cluster, version)
    if message := tested(host, version, CONF):
        yield finding(message)


def tested(host: Host, version: Version, file: str) -> str:
    """Let keepalived look at a file; give what it says against it. Missing and empty files are right for it: see to that."""
    if version < TESTABLE:
        return ""
    try:
        done = host.run(("keepalived", "-t", "-f", file), 30.0)
    except NvkeepError as error:
        return str(error)
    if not done.code and not done.err.strip():
        return ""
    return f"`keepalived -t -f {file}` ended with {done.code}: {done.err.strip() or 'no message'}"


def _fifo(host: Host) -> Iterator[Finding]:
    done = host.run(("stat", "-c", "%F of %u", "--", FIFO), 2.0)
    if done.code:
        why = f"{FIFO} is missing: keepalived would make and remove it, and nobody would hear it"
        yield finding(why, TMPFILES, FindingCode.NO_FIFO)
    elif done.out.strip() != "fifo of 0":
        fix = f"rm {FIFO} && {TMPFILES} && systemctl restart keepalived"
        yield finding(f"{FIFO} is a {done.out.strip()}, and must be a fifo of 0", fix, FindingCode.NO_FIFO)


def labels(host: Host) -> Finding | None:
    """Say so where SELinux would keep keepalived from what it has to read and write: only a policy that confines it does."""
    try:
        enforcing = host.read("/sys/fs/selinux/enforce").strip() == "1"
        confined = CONFINED in host.read(f"/proc/{running(host).pid}/attr/current")
    except (OSError, ValueError, LookupError):
        return None
    for path in (FIFO, FLAGS) if enforcing and confined else ():
        seen = host.run(("stat", "-c", "%C", "--", path), 2.0).out.strip()
        if seen and ALLOWED not in seen:
            return finding(f"SELinux keeps keepalived from {path}, which is labelled {seen}", LABEL)
    return None


def interfaces(host: Host, cluster: Cluster) -> Iterator[Finding]:
    """Name what of this host's heartbeats in cluster.yaml it does not have."""
    try:
        have = {(entry.interface, entry.address) for entry in address.read(host)}
    except ProbeError as error:
        yield finding(str(error), code=FindingCode.HEARTBEAT)
        return
    for beat in cluster.hosts[host.name].heartbeats:
        if not host.exists(f"/sys/class/net/{beat.interface}"):
            why = f"there is no interface {beat.interface} here, which cluster.yaml gives {host.name} a heartbeat on"
            yield finding(why, "ip link", FindingCode.HEARTBEAT)
        elif (beat.interface, str(beat.address)) not in have:
            why = f"{beat.address} is not on {beat.interface}: keepalived 2.2.7 would stay in FAULT even when it comes later"
            yield finding(why, f"ip address show dev {beat.interface}", FindingCode.HEARTBEAT)


def _running(host: Host, cluster: Cluster, version: Version) -> Iterator[Finding]:
    try:
        directory = directory_of(host)
    except (OSError, ValueError, LookupError):
        return  # it does not run: `nvkeep status` says so
    if directory != PRIVATE and version >= TMPDIR_KNOWN:
        why = f"keepalived writes its answers to {directory}, where others can write"
        yield finding(f"{why}: the drop-in nvkeep.conf of keepalived.service is not in use", RESTART, FindingCode.NOT_RESTARTED)
    yield from filter(None, (deaf(host, cluster), labels(host)))
    roles = ask_now(host)
    missing = [name for name in every_instance(cluster, host.name) if name not in dict(roles.words)]
    if missing:
        why = f" ({roles.why})" if roles.why else ""
        yield finding(
            f"keepalived does not know {', '.join(missing)}{why}", "systemctl reload keepalived", FindingCode.NOT_LOADED
        )
