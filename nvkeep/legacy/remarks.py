"""What cluster.yaml has no place for: left out, and said so. Pure."""

import re
from collections.abc import Iterator, Sequence

from nvkeep.legacy.bash import Reader
from nvkeep.legacy.fstab import Entry
from nvkeep.legacy.pairing import Entries, Mounted
from nvkeep.legacy.sides import COMMANDS, KNOWN, Side
from nvkeep.legacy.words import Mistake, Word
from nvkeep.model.mounts import cancelled
from nvkeep.model.spec import LABEL_BYTES

MEANINGLESS = frozenset({"defaults", "rw", "_netdev"})  # what nvkeep does anyway
FOR_OTHERS = re.compile(r"(auto|noauto|nofail|user|users|nouser|owner|group|(x-|comment=|X-).*)")
LABEL = re.compile(r"[^:]+:[A-Za-z0-9]+")
ALLOWED = f"a label belongs to one IPv4 address and has letters and digits after its interface, {LABEL_BYTES} characters in all"
INSTEAD = {
    "MOUNT_CMD": "nvkeep mounts by itself; what the command did beside that goes into options: of the mount",
    "UMOUNT_CMD": "nvkeep unmounts by itself, and names or ends who is in the way (holders:, docs/releasing.md)",
}


def options(entry: Entry) -> tuple[list[Word], list[Mistake]]:
    """Pick the options that are carried over; the others only mean something to those who read /etc/fstab."""
    notes = {
        entry.options[index]: f"option {option} left out: {counts} after it counts"
        for index, option, counts in cancelled([word.text for word in entry.options])
    }
    known = [word for word in entry.options if word.text not in MEANINGLESS and word not in notes]
    text = "option {} left out: it matters only to what mounts by /etc/fstab"
    notes |= {word: text.format(word.text) for word in known if FOR_OTHERS.fullmatch(word.text)}
    return [word for word in known if word not in notes], [Mistake(word, note) for word, note in notes.items()]


def numbers(entry: Entry) -> Iterator[Mistake]:
    """Say that nobody checks or dumps by these numbers."""
    if entry.numbers:
        yield Mistake(entry.numbers, f"{entry.path.text}: the numbers for dump and fsck left out: nvkeep does neither")


def labels(addresses: Sequence[tuple[Word, Word]], used: set[str]) -> tuple[dict[int, str], list[Mistake]]:
    """Pick the labels that cluster.yaml allows, each once; an address without a label works as well."""
    kept, notes = {}, []
    for index, (interface, address) in enumerate(addresses):
        label = interface.text
        if _fits(label, address.text) and label not in used:
            used.add(label)
            kept[index] = label
        elif ":" in label:
            notes.append(Mistake(interface, f"label {label} left out, {address.text} works without: {ALLOWED}"))
    return kept, notes


def _fits(label: str, address: str) -> bool:
    return LABEL.fullmatch(label) is not None and len(label) <= LABEL_BYTES and ":" not in address


def keys(reader: Reader) -> Iterator[Mistake]:
    """Tell of the keys that are not carried over."""
    for key, value in reader.values.items():
        text = " ".join(word.text for word in value.words)
        if key in COMMANDS:
            yield Mistake(value.key, f'{key}="{text}" left out: {INSTEAD[key]}')
        elif key not in KNOWN and key not in reader.used:
            yield Mistake(value.key, f"{key} left out: it is not one of the original's keys")


def empty(side: Side) -> Iterator[Mistake]:
    """Say that a set without anything gives no service, and what of it is therefore left out."""
    if side.empty and side.lists["PINGHOSTS"]:
        yield Mistake(side.key("PINGHOSTS"), f"PINGHOSTS_{side.suffix} left out: there is nothing to protect in this set")


def bare(words: Sequence[Word]) -> Iterator[Mistake]:
    """Name volumes without a mountpoint."""
    for word in words:
        yield Mistake(word, f"volume {word.text} has no mountpoint: it is taken and given back with the service, nothing more")


def unused(entries: Entries, mounted: Sequence[Mounted]) -> Iterator[Mistake]:
    """Name lines of the fstab that no set uses."""
    used = {mount.entry.path.text for mount in mounted}
    for path, entry in entries.items():
        if path not in used:
            yield Mistake(entry.path, f"{path} left out: it is in no MOUNTPOINTS")


def guessed(entry: Entry) -> Iterator[Mistake]:
    """Refuse a type that mount(8) would have to find out: what is mounted could not be compared with it."""
    if entry.fstype.text == "auto":
        ask = f"blkid -o value -s TYPE {entry.device.text}"
        yield Mistake(entry.fstype, f"the type auto can be anything; write what this prints: {ask}")
