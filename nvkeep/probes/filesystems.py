"""Whether this kernel can mount a type of file system: /proc/filesystems, and the modules there are for this kernel."""

from nvkeep.errors import ProbeError
from nvkeep.host import Host, lines
from nvkeep.model.finding import Lack

KNOWN, RELEASE = "/proc/filesystems", "/proc/sys/kernel/osrelease"
SBIN = ("/sbin", "/usr/sbin", "/usr/bin")
HELPED = ("cifs", "nfs", "nfs4")  # the kernel knows them, and cannot mount them alone


def helper(host: Host, fstype: str) -> bool:
    """Return whether mount(8) has a helper of its own for a type."""
    return any(host.exists(f"{directory}/mount.{fstype}") for directory in SBIN)


def known(host: Host, fstype: str) -> bool:
    """Return whether a type can be mounted here. Raises ProbeError where there is nothing to look in."""
    if helper(host, fstype):
        return True
    if fstype in HELPED:
        return False
    return fstype in {line.split()[-1] for line in lines(_read(host, KNOWN)) if line.strip()} or _module(host, fstype)


def _module(host: Host, fstype: str) -> bool:
    """Look for the module of a type: by its name, else by the alias that the kernel itself would load it by."""
    modules = f"/lib/modules/{_read(host, RELEASE).strip()}"
    try:
        return f"/{fstype}.ko" in host.read(f"{modules}/modules.dep") or _alias(host, modules, fstype)
    except OSError as error:
        raise ProbeError(f"the kernel has not loaded it, and {modules}/modules.dep cannot be read: {error.strerror}") from error


def _alias(host: Host, modules: str, fstype: str) -> bool:
    try:
        return f"alias fs-{fstype} " in host.read(f"{modules}/modules.alias")
    except FileNotFoundError:
        return False


def _read(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except OSError as error:
        raise ProbeError(f"{path}: {error.strerror}") from error


def mountable(host: Host, fstype: str) -> Lack | str:
    """Say that a type cannot be mounted here, and what brings it, or that it can. Raises ProbeError."""
    if known(host, fstype):
        return "can be mounted"
    what = f"/sbin/mount.{fstype}" if fstype in HELPED else f"the module {fstype} for the kernel that runs"
    return Lack(f"this host cannot mount {fstype}", f"install the package that brings {what}")
