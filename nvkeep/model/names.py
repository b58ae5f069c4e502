"""The words people may write in cluster.yaml: names, paths, units, addresses. Each refusal says what to write."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from pathlib import PurePosixPath
from typing import Annotated

from nvkeep.errors import clean
from nvkeep.model.frozen import Checked, Parsed

AnyInterface = IPv4Interface | IPv6Interface
AnyAddress = IPv4Address | IPv6Address

# Mounting here, or letting nvkeep unmount here, would take the system down.
SYSTEM = frozenset({
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/mnt", "/opt", "/proc", "/root", "/run",
    "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin", "/usr/share", "/var",  # noqa: S108 - a name
    "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp", "/var/lib/nvkeep", "/var/log/nvkeep",  # noqa: S108 - a name
})  # fmt: skip
TREES = (
    "/proc/", "/sys/", "/dev/", "/run/", "/boot/", "/etc/", "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/",
    "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/var/run/", "/var/lib/nvkeep/", "/var/log/nvkeep/",
)  # fmt: skip
SYSTEM_UNIT = (  # what a host lives by; nvkeep's own, and what it needs, would end with the first release
    r"(keepalived|nvkeep(-[a-z]+)?|dbus(-broker)?|sshd?|init|NetworkManager|networking|systemd-[a-z0-9-]+(@.*)?|getty@.*)"
    r"\.(service|socket|timer)"
    r"|(basic|default|emergency|graphical|local-fs|multi-user|network|network-online|paths|remote-fs|rescue|shutdown|slices|sockets"
    r"|sysinit|timers|umount|halt|poweroff|reboot)(-pre)?\.target"
)
HOST = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
INTERFACE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}"
INTERFACE_BYTES = 15  # IFNAMSIZ, less the NUL
LONGEST = 60  # characters of a value that a refusal repeats
LARGEST = 1 << 64  # messages name larger numbers without their digits
OTHER_SUFFIXES = frozenset(["mount", "automount", "swap", "device", "path", "slice", "scope"])
IPV4 = 4
FUSE = frozenset({"ntfs", "ntfs-3g", "lowntfs-3g", "exfat-fuse", "glusterfs", "sshfs"})  # types with a helper that stays
PLAIN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"  # a name that is safe in a path and as an argument
UNIT = r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.(service|socket|target|timer)"


def shown(value: object) -> str:
    """Repeat a value from the file on one line, shortened, as the file would spell it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = f'"{clean(value)}"'
    elif isinstance(value, int | float | date):
        text = str(value) if not isinstance(value, int) or abs(value) < LARGEST else "a huge number"
    else:
        text = _shape(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _shape(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, bytes | bytearray):
        return "binary data"
    return "a list" if isinstance(value, list | tuple) else "a set" if isinstance(value, AbstractSet) else "a tagged value"


def wrong(what: str, instead: str) -> ValueError:
    """Build the one shape every refusal has: what is wrong; what to write instead."""
    from pydantic_core import PydanticCustomError  # noqa: PLC0415 - only who reads a file needs it

    return PydanticCustomError("nvkeep", "{what}; {instead}", {"what": what, "instead": instead})


def named(what: str, pattern: str, instead: str | Callable[[str], str]) -> Checked:
    """Refuse what a pattern does not fit, with what to write instead."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise wrong(f"{shown(value)} is not {what}", instead if isinstance(instead, str) else instead(value))
        return value

    return Checked(check)


def check_name(
    name: str, instead: str = "use letters, digits, - and _", what: str = "a volume name", pattern: str = PLAIN
) -> None:
    """Refuse a name that is not safe in a path and as an argument, or not of a pattern of its own."""
    if not re.fullmatch(pattern, name):
        raise wrong(f'"{name}" is not {what}', instead)


def _host_instead(value: str) -> str:
    first, _, domain = value.partition(".")
    if domain and re.fullmatch(HOST, first):
        return f'write "{first}", as `hostname -s` prints it'
    hyphens = value.replace("_", "-")
    if hyphens != value and re.fullmatch(HOST, hyphens):
        return f"an underscore is not allowed in one: hostnamectl set-hostname {hyphens}, and write {hyphens}"
    return "write it as `hostname -s` prints it"


def _interface_instead(value: str) -> str:
    name = value.partition("@")[0]
    if name != value and re.fullmatch(INTERFACE, name):
        return f'write "{name}": what follows @ is the interface below it'
    if len(value) > INTERFACE_BYTES:
        return f"it has more than {INTERFACE_BYTES} characters, so it is an altname; write the name that `ip -br link` prints"
    return "write it as `ip -br link` prints it"


Argument = Annotated[str, named("an argument of a command", r"[^\0]*", "leave out the NUL character")]
HostName = Annotated[
    str,
    named("a host name", HOST, _host_instead),
]
ClientName = Annotated[
    str,
    named("a client name", r"[A-Za-z0-9][A-Za-z0-9.-]{0,59}", "write it as NVMesh lists its clients"),
]
ServiceName = Annotated[
    str,
    named("a service name", r"[A-Za-z][A-Za-z0-9_-]{0,30}", "use up to 31 letters, digits, _ and -, a letter first"),
]
ClusterName = Annotated[
    str,
    named("a cluster name", r"[A-Za-z][A-Za-z0-9_-]{0,30}", "use up to 31 letters, digits, _ and -, a letter first"),
]
InterfaceName = Annotated[
    str,
    named("an interface name", INTERFACE, _interface_instead),
]


def _in_kernel(value: str) -> str:
    if value.startswith("fuse") or value in FUSE:
        why = "is served by a process, which would end with the pass that mounts it"
        raise wrong(f"{shown(value)} {why}", "write a file system of the kernel, for example xfs")
    return value


FsType = Annotated[
    str,
    named("a file system type", r"[a-z][a-z0-9._-]{0,31}", "write it as in /proc/filesystems, for example xfs"),
    Checked(_in_kernel),
]


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise wrong(f"{shown(value)} is not an absolute path", "start it with /")
    if not value.isprintable():
        raise wrong(f"{shown(value)} has a line break or another control character", "write a path without")
    plain = str(PurePosixPath(value))
    if plain != value or ".." in PurePosixPath(value).parts or value.startswith("//"):
        raise wrong(f"{shown(value)} is not a plain path", "leave out .., //, /./ and a slash at the end")
    return value


def _inside(value: str) -> str:
    parts = PurePosixPath(value).parts
    if not value.isprintable() or value.startswith("/") or ".." in parts or str(PurePosixPath(value)) != value or value == ".":
        raise wrong(f"{shown(value)} is not a directory of the volume", "write it without / at either end, like nfs/state")
    return value


def _mountpoint(value: str) -> str:
    if value in SYSTEM or value.startswith(TREES):
        raise wrong(f"{shown(value)} belongs to the system", "choose a directory of the service's own, like /srv/nfs")
    return value


def _unit(value: str) -> str:
    if "/" in value:
        raise wrong(f"{shown(value)} is a path, not a unit", "write the unit's name as `systemctl status` shows it")
    if not re.fullmatch(UNIT, value):
        raise wrong(f"{shown(value)} is not a unit that can be kept running", _unit_instead(value))
    if re.fullmatch(SYSTEM_UNIT, value):
        raise wrong(
            f"{shown(value)} belongs to the system", "leave it out: nvkeep would stop it on every host that does not serve"
        )
    return value


def _unit_instead(value: str) -> str:
    name, _, suffix = value.rpartition(".")
    if name.endswith("@") and re.fullmatch(UNIT, f"{name}x.{suffix}"):
        return f'name the instance: "{name}INSTANCE.{suffix}"'
    if suffix in OTHER_SUFFIXES:
        return "write a .service, .socket, .target or .timer, or leave it out"
    fits = len(value) <= LONGEST and re.fullmatch(UNIT, f"{value}.service")
    return f'write "{value}.service"' if fits else 'write "NAME.service"'


def _floating(value: object) -> AnyInterface:
    if not isinstance(value, str):
        raise wrong(f"{shown(value)} is not an address", "write it in quotes, with its prefix: 192.168.0.1/24")
    try:
        parsed = ip_interface(value)
    except ValueError:
        parsed = None
    if parsed is None or "%" in value:
        raise wrong(f"{shown(value)} is not an address with a prefix", "write it like 192.168.0.1/24 or fd00::1/64")
    prefix = value.partition("/")[2]
    if not prefix:
        instead = f"write {value}/{24 if parsed.version == IPV4 else 64}, with the prefix of its network"
        raise wrong(f"{shown(value)} has no prefix length", instead)
    if not prefix.isdigit():
        raise wrong(f"{shown(value)} has a netmask", f"write {parsed}")
    return _usable(parsed)


def _usable(value: AnyInterface) -> AnyInterface:
    kind = _kind(value.ip) or ("a link-local address" if value.ip.is_link_local else "")
    if kind:
        raise wrong(f"{value} is {kind}", "write a unicast address that clients can reach")
    edges = {value.network.network_address: "the address of its network"}
    if value.version == IPV4:
        edges[value.network.broadcast_address] = "the broadcast address of its network"
    if value.network.prefixlen < value.max_prefixlen - 1 and value.ip in edges:
        raise wrong(f"{value} is {edges[value.ip]}, not of a host in it", "write the address of a host")
    return value


def _kind(address: AnyAddress) -> str:
    kinds = {"a loopback address": address.is_loopback, "a multicast address": address.is_multicast,
             "no address": address.is_unspecified, "a reserved address": _is_broadcast(address)}  # fmt: skip
    return next((kind for kind, fits in kinds.items() if fits), "")


def _is_broadcast(address: AnyAddress) -> bool:
    return str(address) == "255.255.255.255"


def _host_address(value: object) -> AnyAddress:
    try:
        parsed = ip_address(value) if isinstance(value, str) and "%" not in value else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise wrong(f"{shown(value)} is not an IP address", "write it without a prefix, like 10.0.0.1")
    if _kind(parsed):
        raise wrong(f"{parsed} is {_kind(parsed)}", "write the address of a host on the network")
    return parsed


Path = Annotated[str, Checked(_path)]
Inside = Annotated[str, Checked(_inside)]
MountPoint = Annotated[str, Checked(_path), Checked(_mountpoint)]
UnitName = Annotated[str, Checked(_unit)]
FloatingAddress = Annotated[AnyInterface, Parsed(_floating)]
HostAddress = Annotated[AnyAddress, Parsed(_host_address)]
