"""The words people may write in cluster.yaml: names, paths, units, addresses. Each refusal says what to write."""

import re
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

AnyInterface = IPv4Interface | IPv6Interface
AnyAddress = IPv4Address | IPv6Address

# Mounting here, or letting nvkeep unmount here, would take the system down.
SYSTEM = frozenset({
    *"/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr".split(),
    *"/usr/bin /usr/lib /usr/local /usr/sbin /usr/share /var /var/cache /var/lib /var/log /var/run".split(),
    *"/var/spool /var/tmp /etc/nvkeep /var/lib/nvkeep /var/log/nvkeep".split(),
})  # fmt: skip
KERNEL_TREES = ("/proc/", "/sys/", "/dev/", "/run/", "/boot/", "/etc/")
UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.(service|socket|target|timer)")


def wrong(what: str, instead: str) -> PydanticCustomError:
    """Build the one shape every refusal has: what is wrong; what to write instead."""
    return PydanticCustomError("nvkeep", "{what}; {instead}", {"what": what, "instead": instead})


def _named(what: str, pattern: str, instead: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise wrong(f'"{value}" is not {what}', instead)
        return value

    return AfterValidator(check)


HostName = Annotated[
    str,
    _named("a host name", r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", "write it as `hostname -s` prints it"),
]
ServiceName = Annotated[
    str,
    _named("a service name", r"[A-Za-z][A-Za-z0-9_-]{0,30}", "use up to 31 letters, digits, _ and -, a letter first"),
]
ClusterName = Annotated[
    str,
    _named("a cluster name", r"[A-Za-z][A-Za-z0-9_-]{0,30}", "use up to 31 letters, digits, _ and -, a letter first"),
]
InterfaceName = Annotated[
    str,
    _named("an interface name", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", "write it as `ip -br link` prints it"),
]
FsType = Annotated[
    str,
    _named("a file system type", r"[a-z][a-z0-9._-]{0,31}", "write it as in /proc/filesystems, for example xfs"),
]
MountOption = Annotated[
    str,
    _named("one mount option", r"[A-Za-z0-9_.:=/+-]{1,128}", "write one option an item: options: [noatime, nodev]"),
]


def _path(value: str) -> str:
    if not value.startswith("/") or "\0" in value or "\n" in value:
        raise wrong(f'"{value}" is not an absolute path', "start it with /")
    plain = str(PurePosixPath(value))
    if plain != value or ".." in PurePosixPath(value).parts or value.startswith("//"):
        raise wrong(f'"{value}" is not a plain path', "leave out .., //, /./ and a slash at the end")
    return value


def _mountpoint(value: str) -> str:
    if value in SYSTEM or value.startswith(KERNEL_TREES):
        raise wrong(f'"{value}" belongs to the system', "choose a directory of the service's own, like /srv/nfs")
    return value


def _unit(value: str) -> str:
    if "/" in value:
        raise wrong(f'"{value}" is a path, not a unit', "write the unit's name as `systemctl status` shows it")
    if not UNIT.fullmatch(value):
        instead = f'write "{value}.service"' if UNIT.fullmatch(f"{value}.service") else "write NAME.service"
        raise wrong(f'"{value}" is not a unit name', instead)
    return value


def _floating(value: object) -> object:
    if not isinstance(value, str):
        raise wrong(f"{value!r} is not an address", "write it in quotes, with its prefix: 192.168.0.1/24")
    try:
        parsed = ip_interface(value)
    except ValueError:
        raise wrong(f'"{value}" is not an address with a prefix', "write it like 192.168.0.1/24 or fd00::1/64") from None
    if "/" not in value:
        raise wrong(f'"{value}" has no prefix length', f"write {value}/{parsed.max_prefixlen} or the network's own prefix")
    return _usable(parsed)


def _usable(value: AnyInterface) -> AnyInterface:
    address, network = value.ip, value.network
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise wrong(f"{value} cannot float", "write a unicast address that clients can reach")
    edges = {network.network_address} | ({network.broadcast_address} if address.version == 4 else set())  # noqa: PLR2004 - IPv4
    if network.prefixlen < network.max_prefixlen - 1 and address in edges:
        raise wrong(f"{value} is the network itself, not a host in it", "write the address of a host")
    return value


def _host_address(value: object) -> object:
    try:
        return ip_address(value) if isinstance(value, str) else _not_address(value)
    except ValueError:
        return _not_address(value)


def _not_address(value: object) -> object:
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    raise wrong(f"{shown} is not an IP address", "write it without a prefix, like 10.0.0.1")


_TEXT = {"type": "string"}
Path = Annotated[str, AfterValidator(_path)]
MountPoint = Annotated[str, AfterValidator(_path), AfterValidator(_mountpoint)]
UnitName = Annotated[str, AfterValidator(_unit)]
FloatingAddress = Annotated[AnyInterface, BeforeValidator(_floating), PlainSerializer(str), WithJsonSchema(_TEXT)]
HostAddress = Annotated[AnyAddress, BeforeValidator(_host_address), PlainSerializer(str), WithJsonSchema(_TEXT)]
