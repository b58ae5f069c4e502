"""What no single key of cluster.yaml can tell: names that must exist, things that must not stand twice.

Reads the raw document, so that these mistakes are told together with those of shape. Pure.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address, ip_interface
from typing import Any

from nvkeep.model.spec import derived_router_id

Loc = tuple[str | int, ...]
Mistake = tuple[Loc, str, bool]
Found = Iterator[tuple[Loc, Any]]


def cross_references(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    """Yield (place, text, whether the key is meant) for everything that refers to nothing or stands twice."""
    for check in (_hosts, _volumes, _addresses, _heartbeats, _networks, _router_ids, _nested):
        yield from check(document)
    for what, find in _UNIQUE.items():
        yield from _twice(what, find(document))


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
            elif isinstance(item, Mapping) and item.get(field) is not None:
                yield (*loc, field), item[field]


def _close(value: object, known: list[str], what: str) -> str:
    close = get_close_matches(str(value), known, 1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"{what}: {', '.join(known)}" if known else f"{what}: none yet"


def _hosts(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    known = [name for name, _ in _pairs(document, "hosts")]
    for loc, host in _every(document, "hosts"):
        if isinstance(host, str) and host not in known:
            yield loc, f'host "{host}" is not declared; {_close(host, known, "declared under hosts")}', False
    for name, service in _pairs(document, "services"):
        named = [host for host in _items(service, "hosts") if isinstance(host, str)]
        for index, host in enumerate(named):
            if host in named[:index]:
                yield ("services", name, "hosts", index), f'host "{host}" stands twice; name each host once', False


def _volumes(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    for name, service in _pairs(document, "services"):
        known = [
            str(volume["name"]) for volume in _items(service, "volumes") if isinstance(volume, Mapping) and "name" in volume
        ]
        for index, mount in enumerate(_items(service, "mounts")):
            volume = mount.get("volume") if isinstance(mount, Mapping) else None
            if isinstance(volume, str) and volume not in known:
                text = f'volume "{volume}" is not declared in this service; {_close(volume, known, "declared")}'
                yield ("services", name, "mounts", index, "volume"), text, False


def _twice(what: str, found: Found) -> Iterator[Mistake]:
    first: dict[Hashable, Loc] = {}
    for loc, value in found:
        if not isinstance(value, Hashable):
            continue
        if value in first:
            yield (
                loc,
                f'{what} "{value}" is already used by {_owner(first[value])}; one host cannot hold it twice',
                False,
            )
        first.setdefault(value, loc)


def _owner(loc: Loc) -> str:
    return f"{'service' if loc[0] == 'services' else 'host'} {loc[1]}"


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


_UNIQUE: dict[str, Callable[[Mapping[Any, Any]], Found]] = {
    "volume": lambda document: _every(document, "volumes", "name"),
    "path": lambda document: _every(document, "mounts", "path"),
    "address": _floating,
    "label": lambda document: _every(document, "addresses", "label"),
    "unit": lambda document: _every(document, "units"),
    "heartbeat address": _beats,
}


def _addresses(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    fixed = {str(value): loc[1] for loc, value in _beats(document)}
    for loc, value in _floating(document):
        if str(value) in fixed:
            text = f'address "{value}" is the heartbeat of host {fixed[str(value)]}; a floating address is one no host has'
            yield loc, text, False


def _heartbeats(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    hosts = _pairs(document, "hosts")
    counts = {name: len(_items(host, "heartbeats")) for name, host in hosts}
    most = max(counts.values(), default=0)
    for name, host in hosts:
        if 0 < counts[name] < most:
            text = f"{counts[name]} of {most} heartbeat networks; write one line a network, in the same order on every host"
            yield ("hosts", name, "heartbeats"), text, True
        used = [beat.get("interface") for beat in _items(host, "heartbeats") if isinstance(beat, Mapping)]
        for index, interface in enumerate(used):
            if interface is not None and interface in used[:index]:
                text = f'interface "{interface}" carries two heartbeats; a second heartbeat needs a second network'
                yield ("hosts", name, "heartbeats", index, "interface"), text, False


def _networks(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    versions: dict[int, int] = {}
    for name, host in _pairs(document, "hosts"):
        for index, beat in enumerate(_items(host, "heartbeats")):
            try:
                version = ip_address(beat["address"]).version if isinstance(beat["address"], str) else 0
            except (ValueError, TypeError, KeyError):
                continue
            if version and versions.setdefault(index, version) != version:
                text = f"IPv{version} on a heartbeat network that is IPv{versions[index]}; one network has one IP version"
                yield ("hosts", name, "heartbeats", index, "address"), text, False


def _router_ids(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    taken: dict[int, str] = {}
    for name, service in _pairs(document, "services"):
        written = service.get("router_id") if isinstance(service, Mapping) else None
        number = written if isinstance(written, int) else derived_router_id(str(document.get("cluster")), name)
        if number in taken:
            free = next((n for n in range(1, 256) if n not in taken), 0)
            loc: Loc = ("services", name, "router_id") if written else ("services", name)
            yield (
                loc,
                f"virtual router id {number} is already that of service {taken[number]}; write router_id: {free}",
                True,
            )
        taken.setdefault(number, name)


def _nested(document: Mapping[Any, Any]) -> Iterator[Mistake]:
    paths = [(loc, path) for loc, path in _every(document, "mounts", "path") if isinstance(path, str)]
    for loc, path in paths:
        for other, outer in paths:
            if loc[1] != other[1] and outer != "/" and path.startswith(f"{outer}/"):
                text = f'path "{path}" lies inside {outer} of service {other[1]}; a mount must not need another service'
                yield loc, text, False
