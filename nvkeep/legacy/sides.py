"""The keys of nvkeep_service.conf: what belongs to host A and what to host B. Pure."""

from collections.abc import Iterator
from difflib import get_close_matches

from nvkeep.legacy.bash import Reader, Value
from nvkeep.legacy.words import Mistake, Word
from nvkeep.model.frozen import frozen
from nvkeep.model.names import shown

SUFFIXES = ("HOST_A", "HOST_B")
SCALARS = {"HOSTNAME": "server01", "STATIC_INTERFACE": "eth0", "STATIC_IPADDR": "10.0.0.1"}  # with an example
LISTS = ("FLOATING_INTERFACES", "FLOATING_IPADDRS", "NVMESHVOLS", "MOUNTPOINTS", "SERVICES", "PINGHOSTS")
NEEDED = LISTS[:5]  # a set that has nothing in any of these is empty
COMMANDS = ("MOUNT_CMD", "UMOUNT_CMD")
KNOWN = (*(f"{name}_{suffix}" for name in (*SCALARS, *LISTS) for suffix in SUFFIXES), *COMMANDS)


@frozen
class Side:
    """One of the two sets. `scalars` and `lists` by the key without suffix; `keys`: where each key stands."""

    suffix: str
    scalars: dict[str, Word]
    lists: dict[str, tuple[Word, ...]]
    keys: dict[str, Word]

    @property
    def host(self) -> Word:
        """The host that this set prefers."""
        return self.scalars["HOSTNAME"]

    @property
    def whole(self) -> bool:
        """Whether its host, and how that is reached, are known."""
        return all(word.line for word in self.scalars.values())

    @property
    def empty(self) -> bool:
        """Whether there is nothing to protect."""
        return not any(self.lists[name] for name in NEEDED)

    def key(self, name: str) -> Word:
        """Give a key, with its place: that of another one where the key itself was left out."""
        return self.keys.get(name, next(iter(self.keys.values()), self.host))._replace(text=f"{name}_{self.suffix}")


def sides(reader: Reader) -> tuple[list[Side], list[Mistake]]:
    """Sort the keys. What is missing is a mistake, and something without a place stands for it."""
    sides = [_side(reader, suffix) for suffix in SUFFIXES]
    return sides, [*_missing(reader), *_unlike(reader), *_same(sides)]


def _side(reader: Reader, suffix: str) -> Side:
    given = {name: reader.values[f"{name}_{suffix}"] for name in (*SCALARS, *LISTS) if f"{name}_{suffix}" in reader.values}
    nothing = Word(f"missing-{suffix[-1].lower()}", reader.file, 0, 0)
    scalars = {name: _one(given[name], nothing) if name in given else nothing for name in SCALARS}
    lists = {name: _several(given[name]) if name in given else () for name in LISTS}
    return Side(suffix, scalars, lists, {name: value.key for name, value in given.items()})


def _one(value: Value, nothing: Word) -> Word:
    return value.words[0] if value.words and value.words[0].text else nothing


def _several(value: Value) -> tuple[Word, ...]:
    """Give the words of a list; one word without ( ) is a list of it, as bash has it, and an empty one is none."""
    return value.words if value.listed or len(value.words[0].text.split()) == 1 else ()


def _missing(reader: Reader) -> Iterator[Mistake]:
    for name, example in SCALARS.items():
        for suffix in SUFFIXES:
            key = f"{name}_{suffix}"
            value = reader.values.get(key)
            if key not in reader.broken and not (value and value.words and value.words[0].text):
                at = value.key if value else Word("", reader.file, 1, 1)
                yield Mistake(at, f'{key} {"has no value" if value else "is missing"}; write {key}="{example}"')


def _unlike(reader: Reader) -> Iterator[Mistake]:
    """Tell what is a list and should be a word, or the other way round, and names that are nearly known."""
    for key, value in reader.values.items():
        name = key.removesuffix("_HOST_A").removesuffix("_HOST_B")
        text = value.words[0].text if value.words else ""
        if key in KNOWN and name in SCALARS and len(value.words) > 1:
            yield Mistake(value.key, f'{key} has {len(value.words)} words; write one, as in {key}="{SCALARS[name]}"')
        elif key in KNOWN and name in LISTS and not value.listed and len(text.split()) > 1:
            yield Mistake(value.key, f"{key} is one word with blanks in it; write {key}=({' '.join(text.split())})")
        close = get_close_matches(key, KNOWN, 1, 0.85)
        if key not in KNOWN and close and key not in reader.used:
            yield Mistake(value.key, f"unknown key {key}; did you mean {close[0]}?")


def _same(sides: list[Side]) -> Iterator[Mistake]:
    first, second = (side.host for side in sides)
    if first.text == second.text:
        text = (
            f"{shown(second.text)} is already HOSTNAME_{sides[0].suffix}, and a pair has two hosts; write the other one's name"
        )
        yield Mistake(second, text)
