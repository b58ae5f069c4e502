"""What no single key of cluster.yaml can tell: names that must exist, things that must not stand twice.

Reads the raw document, so that these mistakes are reported together with those of shape. Pure.
"""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address, ip_interface
from typing import Any

from nvkeep.model.names import shown
from nvkeep.model.spec import derived_router_id
from nvkeep.reconcilers.backends import register

Loc = tuple[str | int, ...]
Mistake = tuple[Loc, str, bool]
Found = Iterator[tuple[Loc, object]]


def cross_references(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    """Yield (place, text, whether the key is meant) for everything that refers to nothing or stands twice."""
    for check in (_hosts, _volumes, _addresses, _witnesses, _heartbeats, _networks, _router_ids, _nested, _binds):
        yield from check(document)
    for what, (find, instead) in _UNIQUE.items():
        yield from _twice(what, find(document), instead)
    for backend in register().values():
        for key, what, instead in backend.unique:
            yield from _twice(what, _every(document, "volumes", key), instead)


def _items(node: object, key: str) -> list[Any]:
    value = node.get(key) if isinstance(node, Mapping) else None
    return list(value) if isinstance(value, list | tuple) else []


def _pairs(document: Mapping[Any, Any], key: str) -> list[tuple[str, Any]]:
    value = document.get(key)
    return [(str(name), node) for name, node in value.items()] if isinstance(value, Mapping) else []


def _every(document: Mapping[Any, Any], key: str, field: str | None = None) -> Found:
    for name, service in _pairs(document, "services"):
        for index, item in enumerate(_items(service, key)):
            loc: Loc = ("services", name, key, index)
            if field is None:
                yield loc, item
            elif isinstance(item, Mapping) and isinstance(item.get(field), str):
                yield (*loc, field), item[field]


def _known(value: object, known: list[str]) -> str:
    """Name what may be written; most like it first."""
    stem = str(value).partition(".")[0]
    return ", ".join(sorted(known, key=lambda name: name.partition(".")[0] != stem))


def _hosts(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    known = [name for name, _ in _pairs(document, "hosts")]
    for loc, host in _every(document, "hosts"):
        if known and isinstance(host, str) and host not in known:
            yield loc, f"host {shown(host)} is not declared under hosts; write one of: {_known(host, known)}", False
    for name, service in _pairs(document, "services"):
        named = [host for host in _items(service, "hosts") if isinstance(host, str)]
        for index, host in enumerate(_items(service, "hosts")):
            if host in named and host in _items(service, "hosts")[:index]:
                yield ("services", name, "hosts", index), f"host {shown(host)} is listed twice; name each host once", False


def _volumes(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    for name, service in _pairs(document, "services"):
        volumes = _items(service, "volumes")
        known = [volume["name"] for volume in volumes if isinstance(volume, Mapping) and isinstance(volume.get("name"), str)]
        if not known or len(known) < len(volumes):
            continue  # the volumes have to be fixed first
        for index, mount in enumerate(_items(service, "mounts")):
            volume = mount.get("volume") if isinstance(mount, Mapping) else None
            if isinstance(volume, str) and volume not in known:
                text = f"volume {shown(volume)} is not declared in this service; write one of: {_known(volume, known)}"
                yield ("services", name, "mounts", index, "volume"), text, False


def _twice(what: str, values: Found, instead: str) -> Iterator[Mistake]:
    first: dict[object, Loc] = {}
    for loc, value in values:
        if value in first:
            yield loc, f"{what} {shown(str(value))} is already used by {_owner(first[value], loc)}; {instead}", False
        first.setdefault(value, loc)


def _owner(first: Loc, here: Loc) -> str:
    what = "service" if first[0] == "services" else "host"
    return f"this {what}" if first[1] == here[1] else f"{what} {shown(first[1])[1:-1]}"


def _floating(document: Mapping[Any, Any]) -> Found:
    for loc, value in _every(document, "addresses", "address"):
        parsed = _parsed(value)
        if parsed is not None:
            yield loc, parsed


def _parsed(value: object) -> object:
    try:
        return ip_interface(value).ip if isinstance(value, str) else None
    except ValueError:
        return None


def _beats(document: Mapping[Any, Any]) -> Found:
    for name, host in _pairs(document, "hosts"):
        for index, beat in enumerate(_items(host, "heartbeats")):
            if isinstance(beat, Mapping) and isinstance(beat.get("address"), str):
                parsed = _parsed(beat["address"])
                if parsed is not None:
                    yield ("hosts", name, "heartbeats", index, "address"), parsed


def _units(document: Mapping[Any, Any]) -> Found:
    return ((loc, unit) for loc, unit in _every(document, "units") if isinstance(unit, str))


_UNIQUE: dict[str, tuple[Callable[[Mapping[Any, Any]], Found], str]] = {
    "volume": (lambda document: _every(document, "volumes", "name"), "name each volume once"),
    "path": (lambda document: _every(document, "mounts", "path"), "choose another directory"),
    "address": (_floating, "choose another address"),
    "label": (lambda document: _every(document, "addresses", "label"), "choose another label"),
    "unit": (_units, "list each unit once"),
    "heartbeat address": (_beats, "write this host's own"),
}


def _addresses(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    fixed = {str(value): loc[1] for loc, value in _beats(document)}
    for loc, value in _floating(document):
        if str(value) in fixed:
            text = f"address {value} is the heartbeat of host {fixed[str(value)]}; write an address that no host has"
            yield loc, text, False


def _witnesses(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    """Refuse the cluster's own addresses: a host of it may be the very one that is cut off."""
    ours = {str(value): f"the heartbeat of host {loc[1]}" for loc, value in _beats(document)}
    ours |= {str(value): f"the floating address of service {loc[1]}" for loc, value in _floating(document)}
    for loc, value in _every(document, "ping"):
        if str(_parsed(value)) in ours:
            yield loc, f"address {value} is {ours[str(_parsed(value))]}; write that of a router or switch, or ping: none", False


def _heartbeats(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    hosts = _pairs(document, "hosts")
    counts = {name: len(_items(host, "heartbeats")) for name, host in hosts}
    most = max(counts.values(), default=0)
    for name, host in hosts:
        if 0 < counts[name] < most:
            text = f"only {counts[name]}, another host has {most}; write one a network, in the same order on every host"
            yield ("hosts", name, "heartbeats"), text, True
        used = [beat.get("interface") if isinstance(beat, Mapping) else None for beat in _items(host, "heartbeats")]
        for index, interface in enumerate(used):
            if isinstance(interface, str) and interface in used[:index]:
                text = f"interface {shown(interface)} carries two heartbeats; write that of a second network, or leave it out"
                yield ("hosts", name, "heartbeats", index, "interface"), text, False


def _networks(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    first: dict[object, tuple[int, str]] = {}
    for loc, value in _beats(document):
        version = ip_address(str(value)).version
        begun, host = first.setdefault(loc[3], (version, str(loc[1])))
        if begun != version:
            text = f"IPv{version}, but {host} has IPv{begun} on this heartbeat network; write an IPv{begun} address"
            yield loc, text, False


def _router_ids(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    every = {name: _router_id(document, name, service) for name, service in _pairs(document, "services")}
    free = next((number for number in range(1, 256) if number not in every.values()), None)
    taken: dict[int, str] = {}
    for name, number in every.items():
        if number in taken:
            instead = f"write router_id: {free}" if free else "keep at most 255 services in one cluster"
            yield _router_loc(document, name), f"virtual router id {number} is that of service {taken[number]}; {instead}", True
        taken.setdefault(number, name)


def _router_id(document: Mapping[Any, Any], name: str, service: object) -> int:
    written = service.get("router_id") if isinstance(service, Mapping) else None
    return written if type(written) is int else derived_router_id(str(document.get("cluster")), name)


def _router_loc(document: Mapping[Any, Any], name: str) -> Loc:
    service = dict(_pairs(document, "services"))[name]
    written = isinstance(service, Mapping) and "router_id" in service
    return ("services", name, "router_id") if written else ("services", name)


def _binds(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    """Refuse a directory of a volume that is mounted nowhere, and what would have to be mounted inside of it first."""
    mounts = [(loc, mount) for loc, mount in _every(document, "mounts") if isinstance(mount, Mapping)]
    whole = [(loc, mount) for loc, mount in mounts if "from" not in mount]
    for loc, mount in mounts:
        beside = [(other, outer) for other, outer in whole if other[1] == loc[1]] if "from" in mount else []
        if "from" in mount and all(outer.get("volume") != mount.get("volume") for _, outer in beside):
            instead = f"add {{volume: {mount.get('volume')}, path: /srv/{loc[1]}, fstype: xfs}}"
            yield (*loc, "from"), f"volume {shown(mount.get('volume'))} is mounted nowhere in this service; {instead}", False
        for other, inner in beside:
            if str(inner.get("path")).startswith(f"{mount.get('path')}/"):
                text = f"path {shown(inner.get('path'))} lies in a directory that is itself bound from a volume; choose another"
                yield (*other, "path"), text, False


def _nested(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    paths = [(loc, str(path)) for loc, path in _every(document, "mounts", "path")]
    for loc, path in paths:
        for other, outer in paths:
            if loc[1] != other[1] and outer != "/" and path.startswith(f"{outer}/"):
                text = f"path {shown(path)} lies inside {outer} of service {other[1]}; choose a directory outside of it"
                yield loc, text, False
