"""What belongs together: interface and address, mountpoint and line of the fstab, file system and volume. Pure."""

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import partial

from nvkeep.legacy.fstab import Entry
from nvkeep.legacy.sides import Side
from nvkeep.legacy.words import Mistake, Word
from nvkeep.model.frozen import frozen
from nvkeep.model.names import shown

DEVICES = "/dev/nvmesh/"
ALIKE = 0.7  # from here on one name is likely to be meant by the other
Entries = Mapping[str, Entry]


@frozen
class Mounted:
    """A mountpoint of a set with its line of the fstab, and the volume that line is about."""

    point: Word
    entry: Entry
    volume: str


def addresses(side: Side) -> tuple[list[tuple[Word, Word]], list[Mistake]]:
    """Pair the floating interfaces with their addresses."""
    interfaces, given = side.lists["FLOATING_INTERFACES"], side.lists["FLOATING_IPADDRS"]
    if len(interfaces) == len(given):
        return list(zip(interfaces, given, strict=True)), []
    names = f"FLOATING_INTERFACES_{side.suffix}", f"FLOATING_IPADDRS_{side.suffix}"
    counts = f"{names[0]} has {_words(interfaces)} and {names[1]} has {_words(given)}"
    place = side.key("FLOATING_IPADDRS" if "FLOATING_IPADDRS" in side.keys else "FLOATING_INTERFACES")
    return [], [Mistake(place, f"{counts}; write one interface for each address")]


def _words(words: tuple[Word, ...]) -> str:
    return f"{len(words) or 'no'} word{'' if len(words) == 1 else 's'}"


def mounts(side: Side, entries: Entries, fstab: str) -> tuple[list[Mounted], list[Mistake]]:
    """Look the mountpoints of a set up in the fstab."""
    mounted, mistakes = [], []
    for point in side.lists["MOUNTPOINTS"]:
        entry = entries.get(point.text.rstrip("/") or "/")
        if entry is None:
            close = max(entries, key=lambda path: _alike(path, point.text), default="")
            meant = (
                f"; did you mean {shown(close)}?"
                if close and _alike(close, point.text) > ALIKE
                else f"; add its line to {fstab}"
            )
            mistakes.append(Mistake(point, f"mountpoint {shown(point.text)} is not in {fstab}{meant}"))
        elif not re.fullmatch(f"{DEVICES}[^/]+", entry.device.text):
            text = f"{shown(entry.device.text)} is not a volume of NVMesh; write {DEVICES}VOLUME, or leave the mountpoint out"
            mistakes.append(Mistake(entry.device, text))
        else:
            mounted.append(Mounted(point, entry, entry.device.text.removeprefix(DEVICES)))
    return mounted, mistakes


def volumes(side: Side, mounted: list[Mounted], other: Side | None) -> Iterator[Mistake]:
    """Compare the volumes of a set with those that its mountpoints are on: name those that only one of the two has."""
    listed = side.lists["NVMESHVOLS"]
    names = {word.text for word in listed}
    strange = [mount for mount in mounted if mount.volume not in names]
    partitions = [mount for mount in strange if any(_partition(mount.volume, name) for name in names)]
    without = [word for word in listed if word.text not in {mount.volume for mount in mounted}]
    for word, mount in _likely(without, [mount for mount in strange if mount not in partitions]):
        strange.remove(mount)
        yield Mistake(word, _misnamed(word, mount, side))
    for mount in strange:
        yield Mistake(mount.entry.device, _unlisted(mount, side, other))


def unused(side: Side, mounted: list[Mounted]) -> list[Word]:
    """Name the volumes of a set that none of its mountpoints is on."""
    used = {mount.volume for mount in mounted}
    return [word for word in side.lists["NVMESHVOLS"] if word.text not in used]


def _likely(without: list[Word], strange: list[Mounted]) -> Iterator[tuple[Word, Mounted]]:
    """Pair each volume without a mountpoint with what is most likely meant by it; the only one with the only one."""
    least = 0.0 if len(without) == len(strange) == 1 else ALIKE
    left = [*strange]
    for word in without:
        best = max(left, key=partial(_closeness, word.text), default=None)
        if best and _closeness(word.text, best) >= least:
            left.remove(best)
            yield word, best


def _closeness(name: str, mount: Mounted) -> float:
    return _alike(name, mount.volume)


def _misnamed(word: Word, mount: Mounted, side: Side) -> str:
    device = mount.entry.device
    where = f"mountpoint {mount.point.text} is on {device.text} ({device.file}:{device.line})"
    return (f"volume {shown(word.text)} is on no mountpoint of {side.suffix}, but {where}; "
            f"write {mount.volume} here if that is its name (ls {DEVICES}), else fix that line")  # fmt: skip


def _unlisted(mount: Mounted, side: Side, other: Side | None) -> str:
    key = f"NVMESHVOLS_{side.suffix}"
    whole = next((word.text for word in side.lists["NVMESHVOLS"] if _partition(mount.volume, word.text)), None)
    if whole:
        return (
            f"{mount.entry.device.text} is a partition of volume {whole}; nvkeep mounts whole volumes: write {DEVICES}{whole}"
        )
    where = f"volume {shown(mount.volume)} of mountpoint {mount.point.text} is not in {key}"
    if other and mount.volume in {word.text for word in other.lists["NVMESHVOLS"]}:
        return f"{where} but in NVMESHVOLS_{other.suffix}; write volume and mountpoint into the same set"
    return f"{where}; add it there"


def _alike(name: str, other: str) -> float:
    return SequenceMatcher(None, name, other).ratio()


def _partition(name: str, volume: str) -> bool:
    return re.fullmatch(rf"{re.escape(volume)}p\d+", name) is not None
